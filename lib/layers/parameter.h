// A tensor that learns.
#pragma once

#include <string>
#include <utility>

#include "base/tensor.h"

namespace mt {

struct Parameter {
  std::string name;    // as in the model file, e.g. "layers.0.weight"
  Tensor value;        // f32
  Tensor gradient;     // like value; backward adds to it. Empty while the parameter is frozen.
  bool decays = true;  // weight decay and l2 apply (not to biases, norms, positions)
  double rate = 1;     // its learning rate, as a multiple of the run's

  Parameter() = default;
  Parameter(std::string name_, Tensor value_, bool decays_)
      : name(std::move(name_)), value(std::move(value_)), decays(decays_) {}

  bool learns() const { return !gradient.empty(); }
  void freeze() { gradient = Tensor(); }
  void clear_gradient() { gradient = Tensor(DType::f32, value.shape()); }  // also makes a frozen parameter learn
};

}  // namespace mt
