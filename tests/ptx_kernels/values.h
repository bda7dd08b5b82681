// Numbers for the kernels, and how they are compared.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "base/random.h"
#include "kernels/cuda/numbers.h"
#include "kernels/kernels.h"

namespace mt::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

template <class T>
constexpr Precision kPrecision = std::is_same_v<T, float>      ? Precision::f32
                                 : std::is_same_v<T, BFloat16> ? Precision::bf16
                                                               : Precision::f16;

// The largest relative error of rounding to a type, twice: two roundings of nearly the same number are that far apart.
template <class T>
constexpr double kStep = std::is_same_v<T, float>      ? 0
                         : std::is_same_v<T, BFloat16> ? 1.0 / 128
                                                       : 1.0 / 1024;

inline std::vector<float> normal(std::size_t n, std::uint64_t stream, float mean = 0, float deviation = 1) {
  std::vector<float> values(n);
  Random(12, stream).fill_normal(values, mean, deviation);
  return values;
}

template <class T>
std::vector<T> rounded(const std::vector<float>& values) {
  std::vector<T> result(values.size());
  std::transform(values.begin(), values.end(), result.begin(), [](float x) { return cuda::narrow<T>(x); });
  return result;
}

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// The largest |got - expected| as a part of `absolute` and one step of T; infinity where one is a NaN or an infinity
// and the other is not that.
template <class T>
double worst_difference(const std::vector<T>& got, const std::vector<T>& expected, double absolute) {
  double worst = got.size() == expected.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < expected.size() && i < got.size(); ++i) {
    const auto a = static_cast<double>(cuda::widen(got[i])), b = static_cast<double>(cuda::widen(expected[i]));
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const double part = std::abs(a - b) / (absolute + kStep<T> * std::abs(b));
    if (!(part <= worst)) worst = std::isfinite(part) ? part : INFINITY;
  }
  return worst;
}

}  // namespace mt::test
