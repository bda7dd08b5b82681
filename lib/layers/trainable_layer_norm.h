// y = (x - mean) / sqrt(variance + eps) * gain + bias over each row, with gain and bias that learn. A frozen one:
// layers/layer_norm.h.
#pragma once

#include <string>

#include "base/tensor.h"
#include "kernels/training.h"
#include "layers/parameter.h"
#include "layers/rows.h"

namespace mt {

struct TrainableLayerNorm {
  Parameter gain, bias;  // [width]; named NAME.weight and NAME.bias
  float eps = 1e-5F;

  TrainableLayerNorm() = default;
  // Throws Error when the shapes disagree.
  TrainableLayerNorm(const std::string& name, Tensor gain_value, Tensor bias_value, float eps_value);

  std::size_t width() const { return gain.value.size(); }

  // x, y: [tokens, width]; y may be x. Saves nothing: backward needs only x.
  void forward(const Tensor& x, Tensor& y) const;

  // dy: [tokens, width]. Overwrites dx [tokens, width], which may be dy; adds to the gradients that learn.
  void backward(const Tensor& x, const Tensor& dy, Tensor& dx);

  // The same in pieces, for rows that several threads share out. All rows are tightly packed.
  void forward_rows(Rows<const float> x, Rows<float> y) const;
  // dx = residual + the gradient; residual may be null or dx. statistics: [rows], for add_gradients; may be null.
  void backward_rows(Rows<const float> x, Rows<const float> dy, const float* residual, Rows<float> dx,
                     RowStatistics* statistics) const;
  // Adds to the gradients that learn, from all rows, in their order.
  void add_gradients(Rows<const float> x, Rows<const float> dy, const RowStatistics* statistics);
};

}  // namespace mt
