#include "encoder/pooling.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace mt {

namespace {

// The rows of a sequence that pooling looks at: [first, second).
std::pair<std::size_t, std::size_t> used_rows(Pooling pooling, std::size_t prefix, std::size_t count) {
  if (pooling == Pooling::cls) return {0, 1};
  if (pooling == Pooling::eot) return {count - 1, count};
  return {prefix, count};
}

void mean_of(Rows<const float> x, const float* sizes, float* out) {
  std::fill_n(out, x.width, 0.0f);
  float total = 0;
  for (std::size_t i = 0; i < x.count; ++i) {
    const float* row = x.row(i);
    const float size = sizes != nullptr ? sizes[i] : 1;
    for (std::size_t j = 0; j < x.width; ++j) out[j] += row[j] * size;
    total += size;
  }
  for (std::size_t j = 0; j < x.width; ++j) out[j] /= total;
}

void maximum_of(Rows<const float> x, float* out) {
  std::copy_n(x.row(0), x.width, out);
  for (std::size_t i = 1; i < x.count; ++i) {
    const float* row = x.row(i);
    for (std::size_t j = 0; j < x.width; ++j) out[j] = row[j] > out[j] ? row[j] : out[j];
  }
}

}  // namespace

void pool(Rows<float> x, const float* sizes, Pooling pooling, std::size_t prefix, const LayerNorm* norm,
          Architecture::Norm when, const Kernels& kernels, float* out) {
  const bool gathers = pooling == Pooling::mean || pooling == Pooling::max;
  const auto [begin, end] = used_rows(pooling, prefix, x.count);
  const Rows<float> used = x.rows(begin, end);
  // With one row to pool the order makes no difference; tokens are normed one by one in either.
  if (norm != nullptr && !(gathers && when == Architecture::Norm::after_pooling)) norm->forward(kernels, used, used);
  if (pooling == Pooling::mean)
    mean_of(used, sizes == nullptr ? nullptr : sizes + prefix, out);
  else if (pooling == Pooling::max)
    maximum_of(used, out);
  else
    std::copy_n(used.data, used.count * used.width, out);
  if (norm != nullptr && gathers && when == Architecture::Norm::after_pooling) {
    const Rows<float> pooled(out, 1, x.width);
    norm->forward(kernels, pooled, pooled);
  }
}

namespace {

// dx = the gradient through norm of x, all [rows, width].
void norm_backward(TrainableLayerNorm& norm, Rows<const float> x, Rows<const float> dy, Rows<float> dx) {
  std::vector<RowStatistics> statistics(x.count);
  const std::vector<float> kept(dy.data, dy.data + (dx.data == dy.data ? x.count * x.width : 0));
  norm.backward_rows(x, dy, nullptr, dx, statistics.data());
  norm.add_gradients(x, kept.empty() ? dy : Rows<const float>(kept.data(), x.count, x.width), statistics.data());
}

void mean_backward(const float* dout, Rows<float> dx) {
  const auto share = 1.0F / static_cast<float>(dx.count);
  for (std::size_t i = 0; i < dx.count; ++i) {
    for (std::size_t j = 0; j < dx.width; ++j) dx.row(i)[j] = dout[j] * share;
  }
}

void maximum_backward(Rows<const float> x, const float* dout, Rows<float> dx) {
  std::fill_n(dx.data, dx.count * dx.width, 0.0F);
  for (std::size_t j = 0; j < x.width; ++j) {
    std::size_t most = 0;
    for (std::size_t i = 1; i < x.count; ++i) {
      if (x.row(i)[j] > x.row(most)[j]) most = i;
    }
    dx.row(most)[j] = dout[j];
  }
}

}  // namespace

void pool_backward(Rows<const float> x, Pooling pooling, std::size_t prefix, TrainableLayerNorm* norm,
                   Architecture::Norm when, const float* dout, Rows<float> dx) {
  const bool gathers = pooling == Pooling::mean || pooling == Pooling::max;
  const auto [begin, end] = used_rows(pooling, prefix, x.count);
  std::fill_n(dx.data, begin * dx.width, 0.0F);
  std::fill_n(dx.row(end), (x.count - end) * dx.width, 0.0F);
  const Rows<const float> used = x.rows(begin, end);
  const Rows<float> dused = dx.rows(begin, end);
  if (!gathers) {
    const Rows<const float> dy(dout, used.count, used.width);
    if (norm != nullptr) return norm_backward(*norm, used, dy, dused);
    std::copy_n(dout, used.count * used.width, dused.data);
    return;
  }
  const auto spread = [&](Rows<const float> pooled_rows, const float* dpooled) {
    if (pooling == Pooling::mean)
      mean_backward(dpooled, dused);
    else
      maximum_backward(pooled_rows, dpooled, dused);
  };
  if (norm == nullptr) return spread(used, dout);
  if (when == Architecture::Norm::after_pooling) {
    std::vector<float> pooled(x.width), dpooled(x.width);
    if (pooling == Pooling::mean)
      mean_of(used, nullptr, pooled.data());
    else
      maximum_of(used, pooled.data());
    norm_backward(*norm, {pooled.data(), 1, x.width}, {dout, 1, x.width}, {dpooled.data(), 1, x.width});
    return spread(used, dpooled.data());
  }
  std::vector<float> normed(used.count * x.width);
  if (pooling == Pooling::max) norm->forward_rows(used, {normed.data(), used.count, x.width});
  spread({normed.data(), used.count, x.width}, dout);
  norm_backward(*norm, used, dused, dused);
}

}  // namespace mt
