// Row by row: gradients of activations and norms.
#pragma once

#include "kernels/attention_gradient_loop.h"
#include "kernels/elementary.h"
#include "kernels/training.h"

namespace mt {

template <class V>
inline typename V::F load_up_to(const float* p, std::size_t n) {  // zeros behind n
  return n >= V::lanes ? V::load(p) : V::load_first(p, n);
}
template <class V>
inline void store_up_to(float* p, std::size_t n, typename V::F x) {
  if (n >= V::lanes)
    V::store(p, x);
  else
    V::store_first(p, n, x);
}

template <class V>
void gelu_row(const float* x, std::size_t n, float* y) {
  for (std::size_t j = 0; j < n; j += V::lanes) store_up_to<V>(y + j, n - j, gelu<V>(load_up_to<V>(x + j, n - j)));
}
template <class V>
void quick_gelu_row(const float* x, std::size_t n, float* y) {
  for (std::size_t j = 0; j < n; j += V::lanes) {
    store_up_to<V>(y + j, n - j, quick_gelu<V>(load_up_to<V>(x + j, n - j)));
  }
}

// f' = Phi(x) + x phi(x)
template <class V>
void gelu_gradient_row(const float* x, const float* dy, std::size_t n, float* dx) {
  for (std::size_t j = 0; j < n; j += V::lanes) {
    const auto u = load_up_to<V>(x + j, n - j);
    const auto density = V::mul(V::set1(0.3989422804f), exp2<V>(V::mul(V::mul(u, u), V::set1(-0.5f * 1.44269504f))));
    const auto slope = V::fma(u, density, normal_cumulative<V>(u));
    store_up_to<V>(dx + j, n - j, V::mul(load_up_to<V>(dy + j, n - j), slope));
  }
}
// With s = sigmoid(1.702 x): f' = s (1 + 1.702 x (1 - s))
template <class V>
void quick_gelu_gradient_row(const float* x, const float* dy, std::size_t n, float* dx) {
  const auto one = V::set1(1.0f), steepness = V::set1(1.702f);
  for (std::size_t j = 0; j < n; j += V::lanes) {
    const auto u = V::mul(load_up_to<V>(x + j, n - j), steepness);
    const auto power = V::min(V::set1(120.0f), V::mul(u, V::set1(-1.44269504f)));
    const auto s = V::div(one, V::add(one, exp2<V>(power)));
    const auto slope = V::mul(s, V::fma(u, V::sub(one, s), one));
    store_up_to<V>(dx + j, n - j, V::mul(load_up_to<V>(dy + j, n - j), slope));
  }
}

template <class V>
inline RowStatistics statistics_of_row(const float* x, std::size_t width, float eps) {
  const std::size_t whole = width / V::lanes * V::lanes, rest = width - whole;
  auto total = V::zero();
  for (std::size_t j = 0; j < width; j += V::lanes) total = V::add(total, load_up_to<V>(x + j, width - j));
  const float mean = V::sum(total) / static_cast<float>(width);
  const auto centre = V::set1(mean);
  auto squares = V::zero();
  for (std::size_t j = 0; j < whole; j += V::lanes) {
    const auto d = V::sub(V::load(x + j), centre);
    squares = V::fma(d, d, squares);
  }
  if (rest > 0) {
    const auto d = V::blend_first(rest, V::sub(V::load_first(x + whole, rest), centre), V::zero());
    squares = V::fma(d, d, squares);
  }
  return {mean, 1.0f / __builtin_sqrtf(V::sum(squares) / static_cast<float>(width) + eps)};
}

// With n the normalised row and g = dy gain: dx = (g - mean(g) - n mean(g n)) / deviation.
template <class V>
void layer_norm_gradient(const float* x, const float* dy, std::size_t rows, std::size_t width, const float* gain,
                         float eps, const float* residual, float* dx, RowStatistics* statistics) {
  const float share = 1.0f / static_cast<float>(width);
  for (std::size_t r = 0; r < rows; ++r, x += width, dy += width, dx += width) {
    const RowStatistics s = statistics_of_row<V>(x, width, eps);
    if (statistics != nullptr) statistics[r] = s;
    const auto mean = V::set1(s.mean), inverse = V::set1(s.inverse_deviation);
    auto sum = V::zero(), along = V::zero();
    for (std::size_t j = 0; j < width; j += V::lanes) {
      const std::size_t n = width - j;
      const auto g = V::mul(load_up_to<V>(dy + j, n), load_up_to<V>(gain + j, n));  // zeros behind the row
      sum = V::add(sum, g);
      along = V::fma(g, V::mul(V::sub(load_up_to<V>(x + j, n), mean), inverse), along);
    }
    const auto average = V::set1(V::sum(sum) * share), slope = V::set1(V::sum(along) * share);
    for (std::size_t j = 0; j < width; j += V::lanes) {
      const std::size_t n = width - j;
      const auto g = V::mul(load_up_to<V>(dy + j, n), load_up_to<V>(gain + j, n));
      const auto normal = V::mul(V::sub(load_up_to<V>(x + j, n), mean), inverse);
      const auto centred = V::sub(V::sub(g, average), V::mul(normal, slope));
      const auto before = residual == nullptr ? V::zero() : load_up_to<V>(residual + j, n);
      store_up_to<V>(dx + j, n, V::fma(centred, inverse, before));
    }
    if (residual != nullptr) residual += width;
  }
}

template <class V>
void gain_gradient(const float* x, const float* dy, std::size_t rows, std::size_t width,
                   const RowStatistics* statistics, float* dgain) {
  for (std::size_t j = 0; j < width; j += V::lanes) {
    const std::size_t n = width - j;
    auto sum = V::zero();
    for (std::size_t r = 0; r < rows; ++r) {
      const auto normal = V::mul(V::sub(load_up_to<V>(x + r * width + j, n), V::set1(statistics[r].mean)),
                                 V::set1(statistics[r].inverse_deviation));
      sum = V::fma(load_up_to<V>(dy + r * width + j, n), normal, sum);
    }
    store_up_to<V>(dgain + j, n, V::add(load_up_to<V>(dgain + j, n), sum));
  }
}

template <class V>
void column_sums(const float* x, std::size_t rows, std::size_t stride, std::size_t columns, float* sum) {
  for (std::size_t j = 0; j < columns; j += V::lanes) {
    const std::size_t n = columns - j;
    auto total = V::zero();
    for (std::size_t r = 0; r < rows; ++r) total = V::add(total, load_up_to<V>(x + r * stride + j, n));
    store_up_to<V>(sum + j, n, V::add(load_up_to<V>(sum + j, n), total));
  }
}

template <class V>
void add_scaled(const float* x, const float* branch, float scale, std::size_t n, float* y) {
  const auto by = V::set1(scale);
  for (std::size_t j = 0; j < n; j += V::lanes) {
    store_up_to<V>(y + j, n - j, V::fma(by, load_up_to<V>(branch + j, n - j), load_up_to<V>(x + j, n - j)));
  }
}

template <class V>
constexpr TrainingKernels training_table() {
  TrainingKernels k{};
  k.attention_gradient = attention_gradient<V>;
  k.gelu = gelu_row<V>;
  k.quick_gelu = quick_gelu_row<V>;
  k.gelu_gradient = gelu_gradient_row<V>;
  k.quick_gelu_gradient = quick_gelu_gradient_row<V>;
  k.layer_norm_gradient = layer_norm_gradient<V>;
  k.gain_gradient = gain_gradient<V>;
  k.column_sums = column_sums<V>;
  k.add_scaled = add_scaled<V>;
  return k;
}

}  // namespace mt
