// y = x W^T + b in both directions on packed weights, which may learn: all of them, the bias alone, or an update of low
// rank beside them (LoRA). For many rows a step; small layers do without the packing: layers/trainable_linear.h.
// With bfloat16 the packed copies are, and sums are float32; so are the values that learn and their gradients.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "layers/linear.h"
#include "layers/parameter.h"
#include "layers/rows.h"

namespace mt {

struct LinearTraining {
  bool weight = false, bias = false;     // learn
  std::size_t rank = 0;                  // of an update B A that learns beside a frozen weight, 0: none
  bool backwards = true;                 // backward will be called
  Precision precision = Precision::f32;  // of the products with the weights: f32, or bf16 where kernels() have it
};

class PackedLinear {
 public:
  // weight: [outputs, inputs], bias: [outputs], as float32; named NAME.weight and NAME.bias. Frozen weights are not
  // kept. random: for the update's A, uniform in +-1/sqrt(inputs); B begins with zeros. Call pack before anything else.
  // Throws Error for shapes that do not belong together; logic_error for an odd number of inputs or outputs in bf16.
  PackedLinear(std::string name, Tensor weight, Tensor bias, const LinearTraining& training, Random random);

  const std::string& name() const { return name_; }
  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }
  bool learns() const { return training_.weight || training_.bias || training_.rank > 0; }
  bool weights_learn() const { return training_.weight || training_.rank > 0; }
  std::vector<Parameter*> parameters();  // those that learn

  // After construction, and whenever values that learn have changed.
  void pack();
  // Weight and bias as they are now, the update added; an empty Tensor for what has not learned.
  Tensor learned_weight() const;
  Tensor learned_bias() const;

  // x: [rows, inputs], y: [rows, outputs]. Any number of threads may call these at once; a row's bytes do not depend on
  // the other rows.
  void forward(Rows<const float> x, Rows<float> y) const;
  // dy: [rows, outputs]. Overwrites dx [rows, inputs].
  void backward(Rows<const float> dy, Rows<float> dx) const;

  // Adds to the gradients of what learns, from all rows of a batch (or of a part of it): tile in [0, gradient_tiles()).
  // Different tiles may be computed by different threads; every sum has one order.
  std::size_t gradient_tiles() const;
  void add_gradients(std::size_t tile, Rows<const float> x, Rows<const float> dy);

 private:
  void run(const Linear& product, Rows<const float> x, Rows<float> y) const;
  std::size_t input_tiles() const;
  void add_weight_gradients(std::size_t tile, Rows<const float> x, Rows<const float> dy);
  void add_bias_gradients(std::size_t tile, Rows<const float> dy);
  void add_update_gradients(Rows<const float> x, Rows<const float> dy);

  std::string name_;
  std::size_t inputs_, outputs_;
  LinearTraining training_;
  Parameter weight_, bias_, down_, up_;  // down: A [rank, inputs], up: B [outputs, rank]
  std::optional<Linear> forward_, backward_;
};

}  // namespace mt
