// Numbers for the kernels for cards.
#pragma once

#include <algorithm>
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

inline std::vector<float> normal(std::size_t n, std::uint64_t stream, float mean = 0, float deviation = 1) {
  std::vector<float> values(n);
  Random(11, stream).fill_normal(values, mean, deviation);
  return values;
}

template <class T>
std::vector<T> rounded(const std::vector<float>& values) {
  std::vector<T> result(values.size());
  std::transform(values.begin(), values.end(), result.begin(), [](float x) { return cuda::narrow<T>(x); });
  return result;
}

template <class T>
bool same_bytes(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return same_bytes(std::span<const T>(a), std::span<const T>(b));
}

}  // namespace mt::test
