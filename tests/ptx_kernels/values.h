// How results of compiled kernels are compared.
#pragma once

#include <cmath>
#include <type_traits>
#include <vector>

#include "support/card_values.h"

namespace mt::test {

// The largest relative error of rounding to a type, twice: two roundings of nearly the same number are that far apart.
template <class T>
constexpr double kStep = std::is_same_v<T, float>      ? 0
                         : std::is_same_v<T, BFloat16> ? 1.0 / 128
                                                       : 1.0 / 1024;

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
