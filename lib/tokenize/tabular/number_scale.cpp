#include "tokenize/tabular/number_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mt {

namespace {

constexpr double kBound = 1e-7;  // QuantileTransformer's BOUNDS_THRESHOLD

// A rank that spreads places evenly over all 64-bit numbers (the finaliser of SplitMix64).
std::uint64_t rank_of(std::uint64_t place) {
  std::uint64_t z = place + 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// numpy.interp of x over ascending quantiles at equal steps of y from 0 to 1; of equal quantiles the last counts, or,
// with `first`, the first (which is the interpolation of -x over the negated quantiles, backwards).
double interpolated(double x, std::span<const double> quantiles, bool first) {
  const std::size_t last = quantiles.size() - 1;
  const auto level = [&](std::size_t i) {
    return last == 0 ? 0.0 : static_cast<double>(i) / static_cast<double>(last);
  };
  if (first) {
    const auto at =
        static_cast<std::size_t>(std::lower_bound(quantiles.begin(), quantiles.end(), x) - quantiles.begin());
    if (at > last) return level(last);
    if (at == 0 || quantiles[at] == x) return level(at);
    const double slope = (level(at - 1) - level(at)) / (quantiles[at] - quantiles[at - 1]);
    return slope * (quantiles[at] - x) + level(at);
  }
  const auto behind =
      static_cast<std::size_t>(std::upper_bound(quantiles.begin(), quantiles.end(), x) - quantiles.begin());
  if (behind == 0) return level(0);
  const std::size_t at = behind - 1;
  if (at == last || quantiles[at] == x) return level(at);
  const double slope = (level(at + 1) - level(at)) / (quantiles[at + 1] - quantiles[at]);
  return slope * (x - quantiles[at]) + level(at);
}

template <std::size_t N>
double polynomial(const double (&coefficients)[N], double r) {
  double value = 0;
  for (std::size_t i = N; i-- > 0;) value = value * r + coefficients[i];
  return value;
}

// A quantile's tails of AS 241; r: sqrt(-log of the smaller tail).
double tail(double r) {
  constexpr double kC[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                           3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                           2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr double kD[] = {1.0,
                           2.05319162663775882187e0,
                           1.67638483018380384940e0,
                           6.89767334985100004550e-1,
                           1.48103976427480074590e-1,
                           1.51986665636164571966e-2,
                           5.47593808499534494600e-4,
                           1.05075007164441684324e-9};
  constexpr double kE[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                           2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                           2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr double kF[] = {1.0,
                           5.99832206555887937690e-1,
                           1.36929880922735805310e-1,
                           1.48753612908506148525e-2,
                           7.86869131145613259100e-4,
                           1.84631831751005468180e-5,
                           1.42151175831644588870e-7,
                           2.04426310338993978564e-15};
  if (r <= 5) return polynomial(kC, r - 1.6) / polynomial(kD, r - 1.6);
  return polynomial(kE, r - 5) / polynomial(kF, r - 5);
}

}  // namespace

void Moments::add(double x) {
  ++count_;
  const double before = x - mean_;
  mean_ += before / static_cast<double>(count_);
  squares_ += before * (x - mean_);
}

double Moments::deviation() const {
  if (count_ == 0) return 1;
  const auto n = static_cast<double>(count_);
  const double variance = squares_ / n, eps = std::numeric_limits<double>::epsilon();
  const double rounding = n * eps * variance + (n * mean_ * eps) * (n * mean_ * eps);
  return variance <= rounding ? 1 : std::sqrt(variance);
}

void QuantileSample::add(double x, std::uint64_t place) {
  const std::uint64_t rank = rank_of(place);
  if (rank > threshold_) return;
  kept_.push_back({rank, x});
  if (kept_.size() <= kMost) return;
  threshold_ /= 2;
  std::erase_if(kept_, [this](const Kept& one) { return one.rank > threshold_; });
}

std::vector<double> QuantileSample::quantiles(std::size_t count) const {
  std::vector<double> sorted(kept_.size()), result(count);
  std::transform(kept_.begin(), kept_.end(), sorted.begin(), [](const Kept& one) { return one.x; });
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty()) return result;
  for (std::size_t i = 0; i < count; ++i) {
    const double share = count == 1 ? 0 : static_cast<double>(i) / static_cast<double>(count - 1);
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = std::min(static_cast<std::size_t>(place), sorted.size() - 1);
    const double a = sorted[below], b = sorted[std::min(below + 1, sorted.size() - 1)], t = place - std::floor(place);
    result[i] = t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;  // NumPy's order of rounding
  }
  // Rounding may leave neighbours in the wrong order.
  for (std::size_t i = 1; i < count; ++i) result[i] = std::max(result[i], result[i - 1]);
  return result;
}

double normal_quantile(double p) {
  constexpr double kA[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                           1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                           3.3430575583588128105e+4, 2.5090809287301226727e+3};
  constexpr double kB[] = {1.0,
                           4.2313330701600911252e+1,
                           6.8718700749205790830e+2,
                           5.3941960214247511077e+3,
                           2.1213794301586595867e+4,
                           3.9307895800092710610e+4,
                           2.8729085735721942674e+4,
                           5.2264952788528545610e+3};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(kA, r) / polynomial(kB, r);
  }
  const double x = tail(std::sqrt(-std::log(q < 0 ? p : 1 - p)));
  return q < 0 ? -x : x;
}

double normal_by_quantiles(double x, std::span<const double> quantiles) {
  static const double lowest = normal_quantile(kBound - std::numeric_limits<double>::epsilon());
  static const double highest = normal_quantile(1 - (kBound - std::numeric_limits<double>::epsilon()));
  if (x - kBound < quantiles.front()) return lowest;
  if (x + kBound > quantiles.back()) return highest;
  const double share = (interpolated(x, quantiles, false) + interpolated(x, quantiles, true)) / 2;
  if (share <= 0) return lowest;
  if (share >= 1) return highest;
  return std::clamp(normal_quantile(share), lowest, highest);
}

}  // namespace mt
