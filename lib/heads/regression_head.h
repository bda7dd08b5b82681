// What turns features into numbers: y = W x + b of standardised features, one row of W for each target.
//
// The "head" part of a model file: task "regression", kind "linear", width D, target_names [K] strings (empty: they
// have none), targets K, input and training as for classification (head.h); tensors standardise.mean,
// standardise.deviation [D], layers.0.weight [K, D], layers.0.bias [K], all float32.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/tensor.h"
#include "base/threads.h"
#include "heads/head.h"
#include "heads/standardisation.h"
#include "layers/trainable_linear.h"
#include "store/model.h"

namespace mt {

bool is_regression(const Part& head);  // of a "head" part

struct RegressionHead {
  TrainableLinear linear;  // [K, D]
  Standardisation standardisation;
  HeadInput input;
  std::vector<std::string> target_names;
  nlohmann::json training = nlohmann::json::object();

  // Throws Error: another task, missing tensors, shapes that disagree, values that are not finite.
  static RegressionHead from(const Part& part);
  Part to_part() const;

  std::size_t width() const { return linear.inputs(); }
  std::size_t targets() const { return linear.outputs(); }

  // features: [n, D] f32, as stored -> [n, K]. A sample's bytes do not depend on the others or on the threads. Throws
  // Error: another width; a feature that is not finite, with where = "sample i".
  Tensor predict(const Tensor& features, ThreadPool& pool) const;
};

}  // namespace mt
