#include "heads/regression_head.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "heads/config.h"

namespace mt {

namespace {

constexpr std::size_t kTile = 64;  // rows that meet the same instructions, the last ones filled up with zeros

Tensor finite_floats(const Part& part, const std::string& name, const Shape& shape) {
  const Tensor& tensor = head_tensor(part, name);
  if (tensor.dtype() != DType::f32 || tensor.shape() != shape) {
    throw Error("head",
                fmt::format("{} is {} {}, not float32 {}", name, name_of(tensor.dtype()), to_string(tensor.shape()),
                            to_string(shape)),
                "train it again");
  }
  const auto values = tensor.as<float>();
  if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); }))
    throw Error("head", fmt::format("tensor {} has values that are not finite", name), "train it again");
  return tensor.rows_copy(0, tensor.rows());
}

std::vector<float> numbers(const Tensor& tensor) {
  const auto values = tensor.as<float>();
  return {values.begin(), values.end()};
}

}  // namespace

bool is_regression(const Part& head) { return head.config.value("task", "") == "regression"; }

RegressionHead RegressionHead::from(const Part& part) {
  if (!is_regression(part)) throw Error("head", "predicts no numbers", "train one with --task regression");
  RegressionHead head;
  const auto width = config_value<std::size_t>(part.config, "width");
  const auto targets = config_value<std::size_t>(part.config, "targets");
  if (width == 0 || targets == 0) throw Error("head", "takes or gives nothing", "train it again");
  head.target_names = config_value<std::vector<std::string>>(part.config, "target_names");
  if (!head.target_names.empty() && head.target_names.size() != targets)
    throw Error("head", fmt::format("has {} names of {} targets", head.target_names.size(), targets), "train it again");
  head.input = head_input_from(part.config);
  head.training = config_value<nlohmann::json>(part.config, "training");
  head.standardisation = {numbers(finite_floats(part, "standardise.mean", {width})),
                          numbers(finite_floats(part, "standardise.deviation", {width}))};
  for (const float deviation : head.standardisation.deviation) {
    if (!(deviation > 0)) throw Error("head", "has a deviation that is not positive", "train it again");
  }
  head.linear = TrainableLinear("layers.0", finite_floats(part, "layers.0.weight", {targets, width}),
                                finite_floats(part, "layers.0.bias", {targets}));
  return head;
}

Part RegressionHead::to_part() const {
  Part part;
  part.config = {
      {"task", "regression"},         {"kind", "linear"},        {"width", width()},    {"targets", targets()},
      {"target_names", target_names}, {"input", to_json(input)}, {"training", training}};
  part.tensors["standardise.mean"] = Tensor::of<float>({width()}, std::span<const float>(standardisation.mean));
  part.tensors["standardise.deviation"] =
      Tensor::of<float>({width()}, std::span<const float>(standardisation.deviation));
  part.tensors["layers.0.weight"] = linear.weight.value;
  part.tensors["layers.0.bias"] = linear.bias.value;
  return part;
}

Tensor RegressionHead::predict(const Tensor& features, ThreadPool& pool) const {
  const std::size_t samples = features.rows();
  if (features.columns() != width())
    throw Error("features", fmt::format("are {} wide, the head takes {}", features.columns(), width()));
  Tensor predictions(DType::f32, {samples, targets()});
  pool.parallel_for((samples + kTile - 1) / kTile, [&](std::size_t tile, std::size_t) {
    const std::size_t begin = tile * kTile, count = std::min(kTile, samples - begin);
    std::vector<float> x(kTile * width()), y(kTile * targets());
    const float* const from = features.as<float>().data() + begin * width();
    for (std::size_t i = 0; i < count * width(); ++i) {
      if (!std::isfinite(from[i]))
        throw Error(fmt::format("sample {}", begin + i / width()), "has a feature that is not finite");
    }
    standardisation.apply(from, x.data(), count);
    linear.forward_rows(x.data(), y.data(), kTile);
    std::copy_n(y.data(), count * targets(), predictions.as<float>().data() + begin * targets());
  });
  return predictions;
}

}  // namespace mt
