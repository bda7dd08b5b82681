#include "train/number_targets.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"

namespace mt {

namespace {

constexpr std::size_t kReadAtOnce = 64;  // samples

}  // namespace

void NumberTargets::to_scale(Tensor& targets) const {
  if (!scale || targets.empty()) return;
  float* const values = targets.as<float>().data();
  scale->apply(values, values, targets.rows());
}

double NumberTargets::squared_error(std::span<const float> outputs, std::span<const float> target) const {
  double sum = 0;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    double predicted = outputs[k];
    if (sigmoid) predicted = mt::sigmoid(predicted);
    if (scale) predicted = predicted * double{scale->deviation[k]} + double{scale->mean[k]};
    const double error = predicted - double{target[k]};
    sum += error * error;
  }
  return sum;
}

NumberTargets measure_targets(SampleSet& set, std::span<const std::size_t> train,
                              std::span<const std::size_t> validation, const LossChoice& loss) {
  NumberTargets targets;
  targets.sigmoid = loss.kind == LossChoice::Kind::bce;
  Moments moments(set.schema().target_width);
  for (const auto part : {train, validation}) {
    for (std::size_t begin = 0; begin < part.size(); begin += kReadAtOnce) {
      throw_if_interrupted();
      const auto samples = part.subspan(begin, std::min(kReadAtOnce, part.size() - begin));
      const Batch batch = set.read(samples);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        for (const float value : batch.targets.row<float>(i)) {
          if (!std::isfinite(value)) throw Error(set.describe(samples[i]), "has a target that is not finite");
          if (targets.sigmoid && !(value >= 0 && value <= 1))
            throw Error(set.describe(samples[i]), fmt::format("has the target {:g}, bce takes 0 to 1", value),
                        "use --loss mse, l1 or huber");
        }
      }
      if (part.data() == train.data()) moments.add(batch.targets.as<float>().data(), samples.size());
    }
  }
  if (!targets.sigmoid) targets.scale = moments.standardisation();
  return targets;
}

RegressionHead head_of_numbers(Network network, const NumberTargets& targets,
                               const std::optional<Standardisation>& standardisation, std::vector<std::string> names) {
  if (targets.scale) network.rescale_outputs(targets.scale->deviation, targets.scale->mean);
  const std::size_t width = network.shape().inputs;
  RegressionHead head;
  head.network = std::move(network);
  head.standardisation =
      standardisation.value_or(Standardisation{std::vector<float>(width, 0), std::vector<float>(width, 1)});
  head.sigmoid = targets.sigmoid;
  head.target_names = std::move(names);
  return head;
}

}  // namespace mt
