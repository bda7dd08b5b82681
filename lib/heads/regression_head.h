// What turns features into numbers: a linear layer or an MLP behind standardised features, one output a target.
//
// The "head" part of a model file: task "regression", kind "linear" | "mlp", width D, target_names [K] strings (empty:
// they have none), targets K, input, training, hidden, activation and dropout as for classification (head.h), output
// "sigmoid" where the numbers are probabilities (absent: as the last layer gives them); tensors standardise.mean,
// standardise.deviation [D], layers.{i}.weight, layers.{i}.bias, all float32.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/tensor.h"
#include "base/threads.h"
#include "heads/head.h"
#include "heads/network.h"
#include "heads/standardisation.h"
#include "store/model.h"

namespace mt {

bool is_regression(const Part& head);  // of a "head" part

struct RegressionHead {
  Network network;  // D inputs, K outputs
  Standardisation standardisation;
  bool sigmoid = false;  // of the outputs
  HeadInput input;
  std::vector<std::string> target_names;
  nlohmann::json training = nlohmann::json::object();

  // Throws Error: another task, missing tensors, shapes that disagree, values that are not finite.
  static RegressionHead from(const Part& part);
  Part to_part() const;

  std::size_t width() const { return network.shape().inputs; }
  std::size_t targets() const { return network.shape().outputs; }

  // features: [n, D] f32, as stored -> [n, K]. A sample's bytes do not depend on the others or on the threads. Throws
  // Error: another width; a feature that is not finite, with where = "sample i".
  Tensor predict(const Tensor& features, ThreadPool& pool) const;
};

}  // namespace mt
