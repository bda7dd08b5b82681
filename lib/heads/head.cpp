#include "heads/head.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "heads/config.h"
#include "heads/nearest_mean.h"
#include "heads/neighbours.h"
#include "heads/network_head.h"

namespace mt {

namespace {

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

HeadDescription read_description(const Part& part) {
  HeadDescription description;
  description.task = config_value<std::string>(part.config, "task");
  if (description.task == "regression") throw Error("head", "predicts numbers, not classes");
  if (description.task != "classification") {
    throw Error("head", fmt::format("its task \"{}\" is not known to this version", printable(description.task)),
                "use a newer version");
  }
  description.width = config_value<std::size_t>(part.config, "width");
  description.class_names = config_value<std::vector<std::string>>(part.config, "class_names");
  const std::set<std::string> unique(description.class_names.begin(), description.class_names.end());
  if (unique.size() != description.class_names.size() || unique.size() < 2) {
    throw Error("head",
                fmt::format("has {} class names, {} of them distinct", description.class_names.size(), unique.size()),
                "train it again");
  }
  if (description.width == 0) throw Error("head", "takes features of width 0", "train it again");
  description.input = head_input_from(part.config);
  if (Standardisation::is_in(part)) description.standardisation = Standardisation::from(part, description.width);
  description.one_vs_rest = config_says(part.config, "scores", "one_vs_rest");
  description.training = config_value<nlohmann::json>(part.config, "training");
  return description;
}

}  // namespace

void require_finite(const Part& part) {
  for (const auto& [name, tensor] : part.tensors) {
    const bool is_float = tensor.dtype() == DType::f32 || tensor.dtype() == DType::f16;
    if (!is_float) continue;
    const bool finite = tensor.dtype() == DType::f32
                            ? all_finite(tensor.as<float>())
                            : std::all_of(tensor.as<Half>().begin(), tensor.as<Half>().end(),
                                          [](Half value) { return std::isfinite(to_float(value)); });
    if (!finite) throw Error("head", fmt::format("tensor {} has values that are not finite", name), "train it again");
  }
}

std::string_view name_of(HeadKind kind) {
  switch (kind) {
    case HeadKind::linear:
      return "linear";
    case HeadKind::mlp:
      return "mlp";
    case HeadKind::nearest_mean:
      return "nearest_mean";
    case HeadKind::knn:
      return "knn";
  }
  return "";
}

HeadKind head_kind_named(std::string_view name) {
  for (const HeadKind kind : {HeadKind::linear, HeadKind::mlp, HeadKind::nearest_mean, HeadKind::knn}) {
    if (name == name_of(kind)) return kind;
  }
  if (name == "nearest-mean") return HeadKind::nearest_mean;
  throw Error(printable(name), "is not a kind of head", "use linear, mlp, nearest-mean or knn");
}

HeadInput head_input_of(const Schema& schema, std::size_t rows) {
  return {.kind = schema.kind,
          .modality = schema.modality,
          .rows = rows,
          .digest = schema.config.empty() ? "" : hex(sha256(schema.config.dump()))};
}

nlohmann::json to_json(const HeadInput& input) {
  nlohmann::json json = {
      {"kind", name_of(input.kind)}, {"modality", input.modality}, {"rows", input.rows}, {"digest", input.digest}};
  if (!input.pool.empty()) json["pool"] = input.pool;
  return json;
}

HeadInput head_input_from(const nlohmann::json& config) {
  const auto input = config_value<nlohmann::json>(config, "input");
  HeadInput result;
  result.kind = kind_named(config_value<std::string>(input, "kind"));
  result.modality = config_value<std::string>(input, "modality");
  result.rows = config_value<std::size_t>(input, "rows");
  result.digest = config_value<std::string>(input, "digest");
  if (input.contains("pool")) result.pool = config_value<std::string>(input, "pool");
  if (result.rows == 0) throw Error("head", "takes samples of 0 rows", "train it again");
  return result;
}

Head::Head(HeadDescription description) : description_(std::move(description)) {}

std::unique_ptr<Head> Head::from(const Part& part) {
  HeadDescription description = read_description(part);
  require_finite(part);
  switch (head_kind_named(config_value<std::string>(part.config, "kind"))) {
    case HeadKind::linear:
    case HeadKind::mlp:
      return std::make_unique<NetworkHead>(std::move(description), part);
    case HeadKind::nearest_mean:
      return std::make_unique<NearestMeanHead>(std::move(description), part);
    case HeadKind::knn:
      return std::make_unique<NeighboursHead>(std::move(description), part);
  }
  throw std::logic_error("head: no such kind");
}

Part Head::to_part() const {
  Part part;
  part.config["task"] = description_.task;
  part.config["kind"] = name_of(kind());
  part.config["width"] = description_.width;
  part.config["class_names"] = description_.class_names;
  part.config["input"] = mt::to_json(description_.input);
  part.config["training"] = description_.training;
  if (description_.one_vs_rest) part.config["scores"] = "one_vs_rest";
  if (description_.standardisation) description_.standardisation->add_to(part);
  describe(part);
  return part;
}

Tensor Head::apply(const Tensor& features, ThreadPool& pool, Output output) const {
  const std::size_t width = feature_width(), classes = class_names().size(), samples = features.rows();
  if (features.shape().size() != 2 || (features.columns() != width && samples > 0)) {
    throw Error("features", fmt::format("are {}, the head takes [n, {}]", to_string(features.shape()), width),
                "encode with the model and pooling that the head was trained with");
  }
  const float* values = features.as<float>().data();
  for (std::size_t i = 0; i < samples; ++i) {
    if (all_finite({values + i * width, width})) continue;
    throw Error(fmt::format("sample {}", i), "has a feature that is not finite", "encode it again");
  }
  Tensor result(DType::f32, {samples, classes});
  float* to = result.as<float>().data();
  pool.parallel_for((samples + kTile - 1) / kTile, [&](std::size_t tile, std::size_t) {
    const std::size_t begin = tile * kTile, rows = std::min(kTile, samples - begin);
    std::vector<float> x(kTile * width), y(kTile * classes);
    if (description_.standardisation)
      description_.standardisation->apply(values + begin * width, x.data(), rows);
    else
      std::copy_n(values + begin * width, rows * width, x.data());
    if (output == Output::logits)
      logits_of_tile(x.data(), y.data());
    else
      scores_of_tile(x.data(), y.data());
    std::copy_n(y.data(), rows * classes, to + begin * classes);
  });
  return result;
}

Tensor Head::logits(const Tensor& features, ThreadPool& pool) const { return apply(features, pool, Output::logits); }
Tensor Head::scores(const Tensor& features, ThreadPool& pool) const { return apply(features, pool, Output::scores); }

void Head::logits_of_rows(const float* x, std::size_t rows, float* logits) const {
  const std::size_t width = feature_width(), classes = class_names().size();
  std::vector<float> padded, result;
  for (std::size_t begin = 0; begin < rows; begin += kTile) {
    if (rows - begin >= kTile) {
      logits_of_tile(x + begin * width, logits + begin * classes);
      continue;
    }
    padded.assign(kTile * width, 0.0F);
    result.resize(kTile * classes);
    std::copy_n(x + begin * width, (rows - begin) * width, padded.data());
    logits_of_tile(padded.data(), result.data());
    std::copy_n(result.data(), (rows - begin) * classes, logits + begin * classes);
  }
}

void Head::scores_of_tile(const float* x, float* scores) const {
  logits_of_tile(x, scores);
  const std::size_t classes = class_names().size();
  if (description_.one_vs_rest)
    one_vs_rest_rows({scores, kTile * classes}, classes);
  else
    softmax_rows({scores, kTile * classes}, classes);
}

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

void softmax_rows(std::span<float> values, std::size_t classes) {
  std::vector<double> exponentials(classes);
  for (std::size_t begin = 0; begin + classes <= values.size(); begin += classes) {
    const auto row = values.subspan(begin, classes);
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) sum += exponentials[c] = std::exp(row[c] - largest);
    for (std::size_t c = 0; c < classes; ++c) row[c] = static_cast<float>(exponentials[c] / sum);
  }
}

void one_vs_rest_rows(std::span<float> values, std::size_t classes) {
  for (std::size_t begin = 0; begin + classes <= values.size(); begin += classes) {
    const auto row = values.subspan(begin, classes);
    // A common factor keeps all sigmoids from vanishing at once.
    const double shift = std::min(double{*std::max_element(row.begin(), row.end())}, 0.0);
    const auto share = [&](double x) { return std::exp(std::min(x, 0.0) - shift) / (1 + std::exp(-std::abs(x))); };
    double sum = 0;
    for (const float x : row) sum += share(x);
    for (float& x : row) x = static_cast<float>(share(x) / sum);
  }
}

}  // namespace mt
