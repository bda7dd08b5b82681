// Mean, deviation and extremes of values that stream by, and how many of them are no numbers.
#pragma once

#include <cstdint>
#include <limits>

#include "base/tensor.h"

namespace mt {

// The same numbers however the values were cut into tensors.
class ValueStatistics {
 public:
  void add(const Tensor& values);  // of any type

  std::uint64_t finite() const { return finite_; }
  std::uint64_t nan() const { return nan_; }
  std::uint64_t infinite() const { return infinite_; }
  // Over the finite values; 0 when there are none.
  double mean() const;
  double deviation() const;  // divided by N, as numpy.std
  double minimum() const { return finite_ == 0 ? 0 : minimum_; }
  double maximum() const { return finite_ == 0 ? 0 : maximum_; }

 private:
  void add(double value);

  std::uint64_t finite_ = 0, nan_ = 0, infinite_ = 0;
  double shift_ = 0, sum_ = 0,
         squares_ = 0;  // of value - shift_, the first finite value: no cancellation for large means
  double minimum_ = std::numeric_limits<double>::infinity(), maximum_ = -std::numeric_limits<double>::infinity();
};

}  // namespace mt
