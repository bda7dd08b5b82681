// y = (x - mean) / sqrt(variance + eps) * gain + bias, with one mean and variance for each column (Ioffe and Szegedy,
// 2015). Those of the batch while it learns from batches, else running ones, which make it a fixed scale and shift.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "layers/parameter.h"

namespace mt {

struct TrainableBatchNorm {
  Parameter gain, bias;   // [width]; named NAME.weight and NAME.bias
  Tensor mean, variance;  // [width]; the running statistics, which no gradient reaches
  float eps = 1e-5F;

  TrainableBatchNorm() = default;
  // Throws Error when the shapes disagree, or a variance is negative.
  TrainableBatchNorm(const std::string& name, Tensor gain_value, Tensor bias_value, Tensor running_mean,
                     Tensor running_variance, float eps_value);

  std::size_t width() const { return gain.value.size(); }

  // What the running statistics come to: y = x * scale + shift, to be folded into the product before it.
  struct Affine {
    std::vector<float> scale, shift;  // [width]
  };
  Affine affine() const;

  // By the running statistics. x, y: [tokens, width]; y may be x. Saves nothing: backward needs only x.
  void forward(const Tensor& x, Tensor& y) const;
  // dy: [tokens, width]. Overwrites dx [tokens, width], which may be dy; adds to the gradients that learn.
  void backward(const Tensor& x, const Tensor& dy, Tensor& dx);

  // By the batch's own statistics: a row's result depends on the other rows.
  struct Statistics {
    std::vector<double> mean, inverse_deviation;  // [width]
  };
  // x: [tokens, width] of at least 2 tokens; y may be x. The running statistics move towards the batch's by momentum,
  // its variance as of a sample (tokens - 1), as torch.nn.BatchNorm1d has it. Returns what backward_training needs.
  Statistics forward_training(const Tensor& x, Tensor& y, double momentum = 0.1);
  // The gradient through the statistics too. Overwrites dx, which may be dy; adds to the gradients that learn.
  void backward_training(const Tensor& x, const Statistics& statistics, const Tensor& dy, Tensor& dx);
};

}  // namespace mt
