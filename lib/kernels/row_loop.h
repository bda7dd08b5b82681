// Row by row: layer norm, rounding to bfloat16, quantisation.
#pragma once

#include "kernels/kernels.h"

namespace mt {

// Two passes over a row that is in cache: mean, then the variance around it.
template <class V>
void layer_norm(const float* x, std::size_t rows, std::size_t width, const float* gain, const float* bias, float eps,
                float* y) {
  const std::size_t whole = width / V::lanes * V::lanes, rest = width - whole;
  for (std::size_t r = 0; r < rows; ++r, x += width, y += width) {
    auto total = V::zero();
    for (std::size_t j = 0; j < whole; j += V::lanes) total = V::add(total, V::load(x + j));
    if (rest > 0) total = V::add(total, V::load_first(x + whole, rest));
    const auto mean = V::set1(V::sum(total) / static_cast<float>(width));

    auto squares = V::zero();
    for (std::size_t j = 0; j < whole; j += V::lanes) {
      const auto d = V::sub(V::load(x + j), mean);
      squares = V::fma(d, d, squares);
    }
    if (rest > 0) {
      const auto d = V::blend_first(rest, V::sub(V::load_first(x + whole, rest), mean), V::zero());
      squares = V::fma(d, d, squares);
    }
    const auto inverse = V::set1(1.0f / __builtin_sqrtf(V::sum(squares) / static_cast<float>(width) + eps));

    for (std::size_t j = 0; j < whole; j += V::lanes) {
      const auto d = V::mul(V::sub(V::load(x + j), mean), inverse);
      V::store(y + j, V::fma(d, V::load(gain + j), V::load(bias + j)));
    }
    if (rest > 0) {
      const auto d = V::mul(V::sub(V::load_first(x + whole, rest), mean), inverse);
      V::store_first(y + whole, rest, V::fma(d, V::load_first(gain + whole, rest), V::load_first(bias + whole, rest)));
    }
  }
}

// The same bits as to_bfloat16 of base/tensor.h, for finite numbers.
inline std::uint16_t narrowed(float x) {
  std::uint32_t bits = 0;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float widened(std::uint16_t x) {
  const std::uint32_t bits = static_cast<std::uint32_t>(x) << 16;
  float y = 0;
  __builtin_memcpy(&y, &bits, sizeof y);
  return y;
}

// Elements [j, j + lanes) of a row of n, zeros behind it.
template <class V>
inline typename V::F load_row(const void* row, bool narrow, std::size_t j, std::size_t n) {
  if (narrow) {
    const auto* x = static_cast<const std::uint16_t*>(row) + j;
    if constexpr (requires { V::load_narrow(x); }) {
      if (j + V::lanes <= n) return V::load_narrow(x);
    }
    alignas(64) float values[V::lanes] = {};
    for (std::size_t i = 0; i < V::lanes && j + i < n; ++i) values[i] = widened(x[i]);
    return V::load(values);
  }
  const float* x = static_cast<const float*>(row) + j;
  return j + V::lanes <= n ? V::load(x) : V::load_first(x, n - j);
}

// Group: 4 (bytes + 128) or 2 (16-bit integers) elements in 32 bits.
template <class V, std::size_t Group>
float quantise(const void* x, bool narrow, std::size_t n, void* groups) {
  auto largest = V::zero();
  bool nan = false;  // the maximum forgets a NaN that is followed by a number
  for (std::size_t j = 0; j < n; j += V::lanes) {
    const auto v = load_row<V>(x, narrow, j, n);
    nan = nan || V::any_nan(v);
    largest = V::max(largest, V::abs(v));
  }
  const float top = nan ? __builtin_nanf("") : V::largest(largest);
  const auto inverse = V::set1(top > 0 ? 127.0f / top : 0.0f);
  constexpr std::size_t size = 4 / Group;
  for (std::size_t j = 0; j < n; j += V::lanes) {
    const auto v = V::mul(load_row<V>(x, narrow, j, n), inverse);
    alignas(64) char values[V::lanes * size];
    char* out = static_cast<char*>(groups) + j * size;
    char* target = j + V::lanes <= n ? out : values;
    if constexpr (Group == 4)
      V::store_bytes(target, v);
    else
      V::store_int16(target, v);
    if (target == values) __builtin_memcpy(out, values, (n - j) * size);
  }
  return top / 127.0f;
}

template <class V>
void narrow_row(const float* x, std::size_t n, std::uint16_t* y) {
  std::size_t j = 0;
  if constexpr (requires { V::load_narrow(y); }) {
    for (; j + V::lanes <= n; j += V::lanes) V::store_narrow(y + j, V::load(x + j));
  }
  for (; j < n; ++j) y[j] = narrowed(x[j]);
}

}  // namespace mt
