// The trainable network of a linear or MLP head: linear layers with a non-linearity and dropout between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "base/threads.h"
#include "layers/activation.h"
#include "layers/dropout.h"
#include "layers/trainable_linear.h"

namespace mt {

struct NetworkShape {
  std::size_t inputs = 0, outputs = 0;
  std::vector<std::size_t> hidden;  // empty: a linear head
  Nonlinearity activation = Nonlinearity::gelu;
  double dropout = 0;  // after each hidden layer's activation

  std::size_t parameter_count() const;
};

class Network {
 public:
  Network() = default;                              // nothing, to be replaced
  Network(NetworkShape shape, std::uint64_t seed);  // fresh weights
  // Weights of a model file: "layers.{i}.weight", "layers.{i}.bias". Throws Error when one is missing or misshapen.
  Network(NetworkShape shape, const std::map<std::string, Tensor>& tensors);

  const NetworkShape& shape() const { return shape_; }
  std::vector<Parameter*> parameters();
  std::map<std::string, Tensor> tensors() const;

  // Changes the last layer so that output k becomes factor[k] * output + shift[k]. Both: [outputs].
  void rescale_outputs(std::span<const float> factor, std::span<const float> shift);

  // x: [rows, inputs] -> logits: [rows, outputs], without dropout, on the calling thread.
  void forward_rows(const float* x, float* logits, std::size_t rows) const;

  // What backward needs of a forward pass.
  struct Saved {
    std::vector<Tensor> before;  // of hidden layer i: before the non-linearity, [samples, hidden[i]]
    std::vector<Tensor> after;   // after non-linearity and dropout
    std::uint64_t seed = 0, step = 0;
  };
  // x: [samples, inputs] -> logits [samples, outputs], with dropout drawn from (seed, step).
  Tensor forward(const Tensor& x, std::uint64_t seed, std::uint64_t step, Saved& saved, ThreadPool& pool) const;
  // dlogits: [samples, outputs]. Adds to the parameters' gradients; overwrites dx [samples, inputs] (nullptr: not
  // wanted).
  void backward(const Tensor& x, const Saved& saved, const Tensor& dlogits, Tensor* dx, ThreadPool& pool);

 private:
  Dropout dropout_of(std::size_t layer, const Saved& saved) const;

  NetworkShape shape_;
  std::vector<TrainableLinear> layers_;
};

}  // namespace mt
