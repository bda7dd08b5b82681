#include "heads/regression_head.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "heads/config.h"
#include "heads/network_head.h"

namespace mt {

namespace {

constexpr std::size_t kTile = 64;  // samples of one worker

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
  head.sigmoid = config_says(part.config, "output", "sigmoid");
  require_finite(part);
  head.standardisation = Standardisation::from(part, width);
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
  standardisation.add_to(part);
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
    std::vector<float> x(count * width());
    float* const y = predictions.as<float>().data() + begin * targets();
    const float* const from = features.as<float>().data() + begin * width();
    for (std::size_t i = 0; i < count * width(); ++i) {
      if (!std::isfinite(from[i]))
        throw Error(fmt::format("sample {}", begin + i / width()), "has a feature that is not finite");
    }
    standardisation.apply(from, x.data(), count);
    network.forward_rows(x.data(), y, count);
    if (sigmoid) {
      for (float& value : std::span(y, count * targets())) value = static_cast<float>(mt::sigmoid(value));
    }
  });
  return predictions;
}

}  // namespace mt
