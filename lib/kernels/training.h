// The inner loops of backward passes, once per instruction set, beside those of kernels.h and under the same rules:
// single-threaded, no state, every sum in an order that depends on its own length alone.
#pragma once

#include <cstddef>

#include "kernels/isa.h"

namespace mt {

// Gradients of attention (kernels.h) for one head of one sequence, from its queries, keys and values: the
// probabilities are computed again, some query rows at a time. Rows of the three operands lie `stride` floats apart,
// those of the three gradients, which are overwritten, `gradient_stride`.
struct AttentionGradientCall {
  const float *query = nullptr, *key = nullptr, *value = nullptr;  // [tokens, head_size]
  std::size_t stride = 0;
  const float* dout = nullptr;  // [tokens, head_size], rows dout_stride apart
  std::size_t dout_stride = 0;
  std::size_t tokens = 0, head_size = 0;
  float scale = 1;
  float *dquery = nullptr, *dkey = nullptr, *dvalue = nullptr;  // [tokens, head_size]
  std::size_t gradient_stride = 0;
  float* scratch = nullptr;  // attention_gradient_scratch(tokens, head_size) floats, 64-byte aligned
};
std::size_t attention_gradient_scratch(std::size_t tokens, std::size_t head_size);

// Mean and 1 / sqrt(variance + eps) of one row.
struct RowStatistics {
  float mean, inverse_deviation;
};

struct TrainingKernels {
  void (*attention_gradient)(const AttentionGradientCall& call);

  // y = x Phi(x), and y = x sigmoid(1.702 x); n elements, y may be x. The bits of the products' finish.
  void (*gelu)(const float* x, std::size_t n, float* y);
  void (*quick_gelu)(const float* x, std::size_t n, float* y);
  // dx = dy f'(x); dx may be dy.
  void (*gelu_gradient)(const float* x, const float* dy, std::size_t n, float* dx);
  void (*quick_gelu_gradient)(const float* x, const float* dy, std::size_t n, float* dx);

  // dx = residual + the gradient through layer norm; all [rows, width], tightly packed. residual may be null or dx, dx
  // may be dy. statistics: [rows], written unless null.
  void (*layer_norm_gradient)(const float* x, const float* dy, std::size_t rows, std::size_t width, const float* gain,
                              float eps, const float* residual, float* dx, RowStatistics* statistics);
  // dgain[j] += sum over rows of dy[r][j] normal(x[r])[j]; at most a few dozen rows at a time keep float sums exact
  // enough.
  void (*gain_gradient)(const float* x, const float* dy, std::size_t rows, std::size_t width,
                        const RowStatistics* statistics, float* dgain);
  // sum[j] += sum over rows of x[r][j] for j < columns; rows stride apart.
  void (*column_sums)(const float* x, std::size_t rows, std::size_t stride, std::size_t columns, float* sum);

  // y = x + scale * branch; n elements, y may be x.
  void (*add_scaled)(const float* x, const float* branch, float scale, std::size_t n, float* y);
};

// The kernels of one level; logic_error when this machine or this build does not have it.
const TrainingKernels& training_kernels_of(Isa isa);
// Those of machine_isa().
const TrainingKernels& training_kernels();

}  // namespace mt
