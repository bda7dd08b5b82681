// The numbers that samples are to give, on the scale at which they are learned.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "heads/regression_head.h"
#include "heads/standardisation.h"
#include "train/loss_choice.h"
#include "train/sample_set.h"

namespace mt {

struct NumberTargets {
  std::optional<Standardisation> scale;  // what is learned is (target - mean) / deviation; absent: the target
  bool sigmoid = false;                  // of the outputs, whose targets are probabilities

  // targets: [n, K], brought to that scale in place. An empty tensor stays as it is.
  void to_scale(Tensor& targets) const;
  // Between what outputs [K] predict and the target [K], in its own units, summed.
  double squared_error(std::span<const float> outputs, std::span<const float> target) const;
};

// Numbers of any size are learned at mean 0 and deviation 1 over the training samples, probabilities (bce) as they are.
// Throws Error naming a sample whose numbers cannot be learned: not finite; not from 0 to 1.
NumberTargets measure_targets(SampleSet& set, std::span<const std::size_t> train,
                              std::span<const std::size_t> validation, const LossChoice& loss);

// A network that learned them, as the head that predicts them in their own units. standardisation: of the features;
// absent: they are taken as they are.
RegressionHead head_of_numbers(Network network, const NumberTargets& targets,
                               const std::optional<Standardisation>& standardisation, std::vector<std::string> names);

}  // namespace mt
