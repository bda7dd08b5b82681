// Layer norm in two passes over a row that is in cache: mean, then the variance around it.
#pragma once

#include "kernels/kernels.h"

namespace mt {

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

}  // namespace mt
