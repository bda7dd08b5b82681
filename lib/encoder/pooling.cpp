#include "encoder/pooling.h"

#include <algorithm>

namespace mt {

namespace {

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
  Rows<float> used = x;
  if (pooling == Pooling::cls) used = x.rows(0, 1);
  if (pooling == Pooling::eot) used = x.rows(x.count - 1, x.count);
  if (pooling == Pooling::tokens || gathers) used = x.rows(prefix, x.count);
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

}  // namespace mt
