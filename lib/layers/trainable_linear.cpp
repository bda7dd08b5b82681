#include "layers/trainable_linear.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/gemm.h"
#include "layers/tiles.h"

namespace mt {

namespace {

// Tiles of the weight gradient: one product over all tokens each, so that no partial sums have to be kept.
constexpr std::size_t kTileOutputs = 64, kTileInputs = 256;

void require_matrix(const Tensor& tensor, std::size_t rows, std::size_t columns, const char* name) {
  if (tensor.shape() == Shape{rows, columns}) return;
  throw std::logic_error(
      fmt::format("trainable linear: {} is {}, not [{}, {}]", name, to_string(tensor.shape()), rows, columns));
}

}  // namespace

TrainableLinear::TrainableLinear(const std::string& name, std::size_t inputs, std::size_t outputs, Random& random)
    : weight(name + ".weight", Tensor(DType::f32, {outputs, inputs}), true),
      bias(name + ".bias", Tensor(DType::f32, {outputs}), false) {
  const float bound = 1.0F / std::sqrt(static_cast<float>(std::max<std::size_t>(1, inputs)));
  random.fill_uniform(weight.value.as<float>(), -bound, bound);
  random.fill_uniform(bias.value.as<float>(), -bound, bound);
  weight.clear_gradient();
  bias.clear_gradient();
}

TrainableLinear::TrainableLinear(const std::string& name, Tensor weight_value, Tensor bias_value)
    : weight(name + ".weight", std::move(weight_value), true), bias(name + ".bias", std::move(bias_value), false) {
  if (weight.value.shape().size() != 2 || bias.value.shape() != Shape{outputs()}) {
    throw Error(
        name, fmt::format("weight is {}, bias is {}", to_string(weight.value.shape()), to_string(bias.value.shape())));
  }
}

void TrainableLinear::forward_rows(const float* x, float* y, std::size_t tokens) const {
  // oneDNN's products for AVX2 sum a row that is left over in another order than one among many.
  const std::size_t whole = tokens / kRowTile * kRowTile, rest = tokens - whole;
  for (std::size_t begin = 0; begin < whole; begin += kRowTile)
    forward_tile(x + begin * inputs(), y + begin * outputs());
  if (rest == 0) return;
  std::vector<float> from(kRowTile * inputs()), to(kRowTile * outputs());
  std::copy_n(x + whole * inputs(), rest * inputs(), from.begin());
  forward_tile(from.data(), to.data());
  std::copy_n(to.begin(), rest * outputs(), y + whole * outputs());
}

void TrainableLinear::forward_tile(const float* x, float* y) const {
  const auto shift = bias.value.as<float>();
  for (std::size_t t = 0; t < kRowTile; ++t) std::copy(shift.begin(), shift.end(), y + t * outputs());
  gemm(kRowTile, outputs(), inputs(), {x, inputs()},
       {weight.value.as<float>().data(), inputs(), OperandForm::transposed}, y, outputs(), true);
}

void TrainableLinear::forward(const Tensor& x, Tensor& y, ThreadPool& pool) const {
  require_matrix(x, x.rows(), inputs(), "x");
  require_matrix(y, x.rows(), outputs(), "y");
  const float* from = x.as<float>().data();
  float* to = y.as<float>().data();
  for_each_row_tile(x.rows(), pool, [&](std::size_t begin, std::size_t end) {
    forward_rows(from + begin * inputs(), to + begin * outputs(), end - begin);
  });
}

void TrainableLinear::backward(const Tensor& x, const Tensor& dy, Tensor* dx, ThreadPool& pool) {
  const std::size_t tokens = x.rows();
  require_matrix(x, tokens, inputs(), "x");
  require_matrix(dy, tokens, outputs(), "dy");
  const float* from = x.as<float>().data();
  const float* slope = dy.as<float>().data();
  if (dx != nullptr) {
    require_matrix(*dx, tokens, inputs(), "dx");
    float* to = dx->as<float>().data();
    const float* values = std::as_const(weight.value).as<float>().data();
    for_each_row_tile(tokens, pool, [&](std::size_t begin, std::size_t end) {
      gemm(end - begin, inputs(), outputs(), {slope + begin * outputs(), outputs()}, {values, inputs()},
           to + begin * inputs(), inputs());
    });
  }
  if (weight.learns()) {
    float* gradient = weight.gradient.as<float>().data();
    const std::size_t across = (inputs() + kTileInputs - 1) / kTileInputs;
    const std::size_t down = (outputs() + kTileOutputs - 1) / kTileOutputs;
    pool.parallel_for(across * down, [&](std::size_t tile, std::size_t) {
      const std::size_t row = tile / across * kTileOutputs, column = tile % across * kTileInputs;
      gemm(std::min(kTileOutputs, outputs() - row), std::min(kTileInputs, inputs() - column), tokens,
           {slope + row, outputs(), OperandForm::transposed}, {from + column, inputs()},
           gradient + row * inputs() + column, inputs(), true);
    });
  }
  if (bias.learns()) {
    const auto gradient = bias.gradient.as<float>();
    std::vector<double> sum(outputs());
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t o = 0; o < outputs(); ++o) sum[o] += slope[t * outputs() + o];
    }
    for (std::size_t o = 0; o < outputs(); ++o) gradient[o] = static_cast<float>(gradient[o] + sum[o]);
  }
}

}  // namespace mt
