// What every layer's way back is held to, in one place.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "support/gradients.h"

namespace mt::test {

using Floats = std::vector<std::vector<float>>;
using Doubles = std::vector<std::vector<double>>;

// A layer as a function of its operands: inputs and parameters alike.
struct Differentiable {
  std::string name;
  Floats operands;
  std::size_t outputs = 0;
  std::function<std::vector<double>(const Doubles&)> plain;  // in plain loops: the oracle
  std::function<std::vector<float>(const Floats&)> forward;
  // Gradients of the operands from those of the outputs; each is overwritten, or added to where adds says so.
  std::function<void(const Floats&, const std::vector<float>& dy, Floats& gradients)> backward;
  std::vector<bool> adds;                      // by operand
  std::vector<std::function<void()>> refused;  // calls with operands that do not fit
  double tolerance = 1e-5;                     // relative to the largest, at least 1: float32 rounding of short sums
};

inline std::vector<float> normal_values(std::size_t n, std::uint64_t stream, float deviation = 1) {
  std::vector<float> values(n);
  Random(21, stream).fill_normal(values, 0, deviation);
  return values;
}

inline void check_differentiable(const Differentiable& layer) {
  CAPTURE(layer.name);
  Doubles points;
  for (const auto& operand : layer.operands) points.emplace_back(operand.begin(), operand.end());
  CHECK(relative_difference(layer.forward(layer.operands), layer.plain(points)) < layer.tolerance);

  const std::vector<float> dy = normal_values(layer.outputs, 99);
  const auto loss = [&] {
    const auto y = layer.plain(points);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * static_cast<double>(dy[i]);
    return sum;
  };
  Floats gradients;
  for (const auto& operand : layer.operands) gradients.emplace_back(operand.size(), 0.0F);
  layer.backward(layer.operands, dy, gradients);
  const Floats once = gradients;
  layer.backward(layer.operands, dy, gradients);
  for (std::size_t i = 0; i < points.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_difference(once[i], central_differences(points[i], loss)) < layer.tolerance);
    std::vector<double> twice(once[i].begin(), once[i].end());
    for (double& value : twice) value *= layer.adds[i] ? 2 : 1;
    CHECK(relative_difference(gradients[i], twice) < 1e-6);
  }
  for (const auto& call : layer.refused) CHECK_THROWS_AS(call(), std::exception);
}

}  // namespace mt::test
