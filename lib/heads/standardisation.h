// Shifting and scaling each feature to mean 0 and deviation 1: the numbers, and how they are measured in one pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "store/model.h"

namespace mt {

struct Standardisation {
  std::vector<float> mean, deviation;  // [D]; deviation is 1 where a feature is constant

  // x: [rows, D] -> y: [rows, D], (x - mean) / deviation. y may be x.
  void apply(const float* x, float* y, std::size_t rows) const;

  // As tensors standardise.mean and standardise.deviation of a head's part, float32 [D].
  static bool is_in(const Part& head);  // either of them
  // Throws Error: missing, other shapes, a deviation that is not positive.
  static Standardisation from(const Part& head, std::size_t width);
  void add_to(Part& head) const;
};

// Mean and variance of each column of [N, D], streamed in double precision (Chan, Golub and LeVeque 1983: blocks are
// measured on their own, then merged). The result depends on how rows were cut into add() calls only in the last
// digits; callers that want equal bytes cut equally.
class Moments {
 public:
  explicit Moments(std::size_t width);
  void add(const float* rows, std::size_t count);  // [count, D]
  void add(const Moments& other);                  // the union of two disjoint sets of rows
  std::uint64_t count() const { return count_; }
  const std::vector<double>& mean() const { return mean_; }
  std::vector<double> variance() const;  // divided by N, as scikit-learn's StandardScaler
  // Features whose variance is within rounding of zero get deviation 1 (scikit-learn's rule).
  Standardisation standardisation() const;

 private:
  std::uint64_t count_ = 0;
  std::vector<double> mean_, squares_;  // squares_: sum of squared differences from the mean
};

}  // namespace mt
