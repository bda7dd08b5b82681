#include "tokenize/graph/graph_embedding.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "tokenize/graph/graph_samples.h"
#include "tokenize/linear_embedding.h"

namespace mt {

namespace {

const std::string kWhere = "tokenizer/graph";
constexpr std::size_t kTypes = 3;

TrainableLinear projection_of(const Part& part) {
  Tensor weight = tokenizer_floats(part, "patch.weight", {0, GraphTokenization::from(part).patch_size()}, kWhere);
  const std::size_t outputs = weight.rows();
  return {"patch", std::move(weight), Tensor(DType::f32, {outputs})};
}

std::vector<std::int32_t> column(const Tensor& codes, std::size_t c) {
  std::vector<std::int32_t> values(codes.rows());
  for (std::size_t t = 0; t < values.size(); ++t) values[t] = codes.row<std::int32_t>(t)[c];
  return values;
}

// About what the identifiers of a molecule's nodes come to. With 0.02 kinds were hardly seen: heads on a random
// encoder's features had 83 % of MUTAG and 76 % of PROTEINS right, now 89 % and 82 %.
constexpr float kDeviation = 0.5F;

Tensor normal(Shape shape, const char* name, std::uint64_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  Random(seed, stream_of(kWhere + ": " + name)).fill_normal(tensor.as<float>(), 0, kDeviation);
  return tensor;
}

}  // namespace

GraphEmbedding::GraphEmbedding(const Part& part)
    : projection_(projection_of(part)),
      types_("types", tokenizer_floats(part, "types", {kTypes, projection_.outputs()}, kWhere)),
      kinds_("kinds",
             tokenizer_floats(part, "kinds", {GraphTokenization::from(part).kinds(), projection_.outputs()}, kWhere)),
      frame_(part, projection_.outputs()) {
  GraphEmbedding::parameters_changed();
}

void GraphEmbedding::parameters_changed() {
  packed_ = std::make_shared<const Linear>(std::as_const(projection_.weight.value).as<float>(),
                                           std::as_const(projection_.bias.value).as<float>(), projection_.inputs(),
                                           width(), Finish::bias, kernels());
}

void GraphEmbedding::require(const PatchRows& in, std::size_t sequence) const {
  if (in.patches.columns() != projection_.inputs() || in.codes.columns() != kGraphCodes) {
    throw Error("",
                fmt::format("patches of {} numbers and {} codes, the tokenizer takes {} and {}", in.patches.columns(),
                            in.codes.columns(), projection_.inputs(), kGraphCodes),
                "cut them as its training data were");
  }
  for (std::size_t t = in.begin(sequence); t < in.end(sequence); ++t) {
    const auto code = in.codes.row<std::int32_t>(t);
    if (code[0] < 0 || static_cast<std::size_t>(code[0]) >= types_.entries() || code[1] < 0 ||
        static_cast<std::size_t>(code[1]) >= kinds_.entries()) {
      throw Error("",
                  fmt::format("a token of type {} and kind {}, the tokenizer has {} and {}", code[0], code[1],
                              types_.entries(), kinds_.entries()),
                  "cut them as its training data were");
    }
  }
  frame_.require(in, sequence);
}

// [sum of T, D], before the frame.
Tensor GraphEmbedding::bare_tokens(const PatchRows& in) const {
  if (in.patches.columns() != projection_.inputs()) throw std::logic_error("GraphEmbedding: patches of another width");
  Tensor rows(DType::f32, {in.patches.rows(), width()});
  packed_->forward(Rows<const float>(in.patches.as<float>().data(), in.patches.rows(), projection_.inputs()),
                   Rows<float>(rows.as<float>().data(), rows.rows(), width()));
  types_.add(column(in.codes, 0), rows);
  kinds_.add(column(in.codes, 1), rows);
  return rows;
}

Tensor GraphEmbedding::forward(const PatchRows& in) const { return frame_.forward(bare_tokens(in), in); }

void GraphEmbedding::backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) {
  Tensor slope(DType::f32, {in.patches.rows(), width()});
  frame_.backward(bare_tokens(in), in, dy, slope);
  projection_.backward(in.patches, slope, nullptr, pool);
  types_.backward(column(in.codes, 0), slope);
  kinds_.backward(column(in.codes, 1), slope);
}

template <class Self>
auto GraphEmbedding::parameters_of(Self& self) {
  std::vector all = {&self.projection_.weight, &self.types_.table, &self.kinds_.table};
  const auto around = self.frame_.parameters();
  all.insert(all.end(), around.begin(), around.end());
  return all;
}

std::vector<Parameter*> GraphEmbedding::parameters() { return parameters_of(*this); }

void GraphEmbedding::store(Part& part) const {
  for (const Parameter* parameter : parameters_of(*this)) {
    part.tensors[parameter->name] = parameter->value;
    part.digests.erase(parameter->name);
  }
}

void add_initial_graph_embedding(Part& part, std::size_t width, std::uint64_t seed) {
  const GraphTokenization settings = GraphTokenization::from(part);
  add_initial_projection(part, width, settings.patch_size(), false, seed);
  part.config["embedding"] = "graph";
  part.tensors["types"] = normal({kTypes, width}, "types", seed);
  part.tensors["kinds"] = normal({settings.kinds(), width}, "kinds", seed);
  part.tensors["pre_norm.weight"] = Tensor(DType::f32, {width});
  std::ranges::fill(part.tensors["pre_norm.weight"].as<float>(), 1.0F);
  part.tensors["pre_norm.bias"] = Tensor(DType::f32, {width});
  add_initial_frame(part, width, 2, 0, seed);
}

}  // namespace mt
