// How far predicted numbers are from the true ones.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/tensor.h"

namespace mt {

struct RegressionResult {
  std::size_t samples = 0, targets = 0;
  double mse = 0, mae = 0;  // over all samples and targets
  double r2 = 0;  // 1 - squared error / variance around each target's mean, summed over the targets; NaN where
                  // nothing varies
  std::optional<double> accuracy;  // of probabilities: share on the same side of 1/2 as the truth
};

class RegressionScorer {
 public:
  // probabilities: what is predicted are such.
  explicit RegressionScorer(std::size_t targets, bool probabilities = false)
      : errors_(targets), probabilities_(probabilities) {}
  void add(const Tensor& truth, const Tensor& predicted);  // both [n, K] f32; in double precision
  RegressionResult result() const;

 private:
  struct Target {
    double squares = 0, absolute = 0;  // of errors
    double mean = 0, spread = 0;       // of the truth: mean, and sum of squared distances from it (Welford 1962)
  };
  std::vector<Target> errors_;
  bool probabilities_;
  std::size_t samples_ = 0, right_ = 0;
};

// Aligned lines for a terminal; {"samples", "targets", "metrics": {"mse", "mae", "rmse", "r2"}}; of probabilities
// "accuracy" too.
std::string text_report(const RegressionResult& result);
nlohmann::ordered_json json_report(const RegressionResult& result);

}  // namespace mt
