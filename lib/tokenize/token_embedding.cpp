#include "tokenize/token_embedding.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "tokenize/graph/graph_embedding.h"
#include "tokenize/linear_embedding.h"
#include "tokenize/point_cloud/point_embedding.h"
#include "tokenize/tabular/tabular_embedding.h"
#include "tokenize/text/text_embedding.h"

namespace mt {

std::unique_ptr<TokenEmbedding> token_embedding_of(const Part& part) {
  const auto found = part.config.find("embedding");
  const std::string kind = found != part.config.end() && found->is_string() ? found->get<std::string>() : "";
  // A picture's part says no kind: image_tokenizer.h has its own, faster way to the same tokens.
  const bool picture = kind.empty() && part.config.contains("patch") && part.has("patch.weight");
  if (kind == "linear" || picture) return std::make_unique<LinearEmbedding>(part);
  if (kind == "tabular") return std::make_unique<TabularEmbedding>(part);
  if (kind == "text") return std::make_unique<TextEmbedding>(part);
  if (kind == "graph") return std::make_unique<GraphEmbedding>(part);
  if (kind == "mini-pointnet") return std::make_unique<PointEmbedding>(part);
  throw Error(tokenizer_where(part), fmt::format("has an embedding of the unknown kind \"{}\"", printable(kind)),
              "a later version may have written it; check it with mt-inspect");
}

std::string tokenizer_where(const Part& part) {
  const auto found = part.config.find("modality");
  return found != part.config.end() && found->is_string() ? "tokenizer/" + printable(found->get<std::string>())
                                                          : "tokenizer";
}

float tokenizer_eps(const Part& part, const char* name, float otherwise) {
  const auto found = part.config.find(name);
  if (found == part.config.end()) return otherwise;
  if (!found->is_number() || !(found->get<double>() > 0)) {
    throw Error(tokenizer_where(part), fmt::format("its {} is {}", name, found->dump()),
                "check the model with mt-inspect");
  }
  return found->get<float>();
}

Tensor tokenizer_floats(const Part& part, const std::string& name, const Shape& shape, std::string_view where) {
  const auto& stored = part.at(name);
  bool fits = stored.shape().size() == shape.size() && !stored.empty();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] == 0 || shape[i] == stored.shape()[i];
  if (!fits) {
    std::string expected;
    for (const std::size_t size : shape)
      expected += (expected.empty() ? "" : ", ") + (size == 0 ? "any" : fmt::to_string(size));
    throw Error(where, fmt::format("{} has the shape {}, expected [{}]", name, to_string(stored.shape()), expected),
                "check the model with mt-inspect");
  }
  // A copy of its own: the part may borrow from a mapped file, and parameters change.
  const Tensor converted = stored.to(DType::f32);
  Tensor tensor = converted.rows_copy(0, converted.rows());
  if (!std::ranges::all_of(std::as_const(tensor).as<float>(), [](float x) { return std::isfinite(x); })) {
    throw Error(where, name + " holds NaN or infinite values", "use another model");
  }
  return tensor;
}

}  // namespace mt
