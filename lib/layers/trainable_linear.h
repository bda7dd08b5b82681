// y = x * weight^T + bias, with weights that learn. Frozen ones are faster packed: layers/linear.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/random.h"
#include "base/tensor.h"
#include "base/threads.h"
#include "layers/parameter.h"

namespace mt {

struct TrainableLinear {
  Parameter weight;  // [outputs, inputs]
  Parameter bias;    // [outputs]

  TrainableLinear() = default;
  // Uniform in +-1/sqrt(inputs), weights and biases alike (torch.nn.TrainableLinear's default). Both learn.
  TrainableLinear(const std::string& name, std::size_t inputs, std::size_t outputs, Random& random);
  // Given values, frozen. Throws Error when the shapes disagree.
  TrainableLinear(const std::string& name, Tensor weight_value, Tensor bias_value);

  std::size_t inputs() const { return weight.value.columns(); }
  std::size_t outputs() const { return weight.value.rows(); }

  // x: [tokens, inputs] -> y: [tokens, outputs], on the calling thread. A row's bytes depend on that row alone.
  void forward_rows(const float* x, float* y, std::size_t tokens) const;

  // x: [tokens, inputs], y: [tokens, outputs]. Saves nothing: backward needs only x, which the caller still holds.
  void forward(const Tensor& x, Tensor& y, ThreadPool& pool) const;

  // dy: [tokens, outputs]. Overwrites dx [tokens, inputs] (nullptr: not wanted); adds to the gradients of the
  // parameters that learn. The sums over tokens have one order whatever the number of threads.
  void backward(const Tensor& x, const Tensor& dy, Tensor* dx, ThreadPool& pool);

 private:
  void forward_tile(const float* x, float* y) const;  // kRowTile rows
};

}  // namespace mt
