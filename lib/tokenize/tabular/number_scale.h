// Numbers of a column brought to a common scale, as scikit-learn's StandardScaler and QuantileTransformer do it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mt {

// Mean and variance of numbers as they come (Welford, Technometrics 1962).
class Moments {
 public:
  void add(double x);
  std::uint64_t count() const { return count_; }
  double mean() const { return mean_; }
  // Of the population; 1 where the numbers are constant within rounding, by StandardScaler's rule.
  double deviation() const;

 private:
  std::uint64_t count_ = 0;
  double mean_ = 0, squares_ = 0;
};

// Numbers for quantiles: all of them up to a limit, beyond it a sample that depends on nothing but their places.
class QuantileSample {
 public:
  static constexpr std::size_t kMost = 200'000;

  void add(double x, std::uint64_t place);
  // `count` quantiles at equal steps from 0 to 1, with linear interpolation as numpy.nanpercentile has it. count > 0;
  // 0s when no number was added.
  std::vector<double> quantiles(std::size_t count) const;

 private:
  struct Kept {
    std::uint64_t rank;
    double x;
  };
  std::vector<Kept> kept_;
  std::uint64_t threshold_ = ~std::uint64_t{0};  // numbers of larger ranks are not kept
};

// QuantileTransformer with output_distribution "normal": the share of training numbers below x as a normal deviate,
// within +-5.2. quantiles: ascending, not empty.
double normal_by_quantiles(double x, std::span<const double> quantiles);

// The x below which a normal variable lies with probability p, 0 < p < 1 (Wichura, algorithm AS 241, PPND16: relative
// error about 1e-16).
double normal_quantile(double p);

}  // namespace mt
