// y = (x - mean) / sqrt(variance + eps) * gain + bias over each row, with gain and bias that learn. A frozen one:
// layers/layer_norm.h.
#pragma once

#include <string>

#include "base/tensor.h"
#include "layers/parameter.h"

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
};

}  // namespace mt
