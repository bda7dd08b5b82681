#include "heads/regression_head.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "heads/config.h"
#include "heads/network_head.h"

namespace mt {

namespace {

constexpr std::size_t kTile = 64;  // rows that meet the same instructions, the last ones filled up with zeros

std::vector<float> numbers(const Part& part, const std::string& name, std::size_t count) {
  const Tensor& tensor = head_tensor(part, name);
  if (tensor.dtype() != DType::f32 || tensor.shape() != Shape{count}) {
    throw Error(
        "head",
        fmt::format("{} is {} {}, not float32 [{}]", name, name_of(tensor.dtype()), to_string(tensor.shape()), count),
        "train it again");
  }
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
  if (part.config.contains("output")) {
    const auto output = config_value<std::string>(part.config, "output");
    if (output != "sigmoid")
      throw Error("head", fmt::format("its output \"{}\" is not known to this version", printable(output)),
                  "use a newer version");
    head.sigmoid = true;
  }
  require_finite(part);
  head.standardisation = {numbers(part, "standardise.mean", width), numbers(part, "standardise.deviation", width)};
  for (const float deviation : head.standardisation.deviation) {
    if (!(deviation > 0)) throw Error("head", "has a deviation that is not positive", "train it again");
  }
  head.network = Network(network_shape_from(part.config, width, targets), part.tensors);
  return head;
}

Part RegressionHead::to_part() const {
  Part part;
  part.config = {{"task", "regression"},
                 {"kind", name_of(network.shape().hidden.empty() ? HeadKind::linear : HeadKind::mlp)},
                 {"width", width()},
                 {"targets", targets()},
                 {"target_names", target_names},
                 {"input", to_json(input)},
                 {"training", training}};
  if (sigmoid) part.config["output"] = "sigmoid";
  part.tensors["standardise.mean"] = Tensor::of<float>({width()}, std::span<const float>(standardisation.mean));
  part.tensors["standardise.deviation"] =
      Tensor::of<float>({width()}, std::span<const float>(standardisation.deviation));
  describe_network(network, part);
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
    network.forward_rows(x.data(), y.data(), kTile);
    if (sigmoid) {
      for (float& value : y) value = static_cast<float>(1 / (1 + std::exp(-double{value})));
    }
    std::copy_n(y.data(), count * targets(), predictions.as<float>().data() + begin * targets());
  });
  return predictions;
}

}  // namespace mt
