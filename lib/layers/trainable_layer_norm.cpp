#include "layers/trainable_layer_norm.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/kernels.h"

namespace mt {

namespace {
// Rows whose gradients are summed in float32 before they are added to what is there.
constexpr std::size_t kSummedRows = 64;

Rows<const float> rows_of(const Tensor& tensor) { return {tensor.as<float>().data(), tensor.rows(), tensor.columns()}; }
Rows<float> rows_of(Tensor& tensor) { return {tensor.as<float>().data(), tensor.rows(), tensor.columns()}; }
}  // namespace

TrainableLayerNorm::TrainableLayerNorm(const std::string& name, Tensor gain_value, Tensor bias_value, float eps_value)
    : gain(name + ".weight", std::move(gain_value), false),
      bias(name + ".bias", std::move(bias_value), false),
      eps(eps_value) {
  if (gain.value.shape().size() != 1 || gain.value.empty() || bias.value.shape() != gain.value.shape()) {
    throw Error(name,
                fmt::format("weight is {}, bias is {}", to_string(gain.value.shape()), to_string(bias.value.shape())));
  }
}

void TrainableLayerNorm::forward(const Tensor& x, Tensor& y) const { forward_rows(rows_of(x), rows_of(y)); }

void TrainableLayerNorm::backward(const Tensor& x, const Tensor& dy, Tensor& dx) {
  std::vector<RowStatistics> statistics(x.rows());
  const Tensor kept = &dx == &dy ? dy : Tensor();  // dx may be dy, which the gradients still need
  backward_rows(rows_of(x), rows_of(dy), nullptr, rows_of(dx), statistics.data());
  add_gradients(rows_of(x), rows_of(&dx == &dy ? kept : dy), statistics.data());
}

void TrainableLayerNorm::forward_rows(Rows<const float> x, Rows<float> y) const {
  kernels().layer_norm(x.data, x.count, width(), gain.value.as<float>().data(), bias.value.as<float>().data(), eps,
                       y.data);
}

void TrainableLayerNorm::backward_rows(Rows<const float> x, Rows<const float> dy, const float* residual, Rows<float> dx,
                                       RowStatistics* statistics) const {
  training_kernels().layer_norm_gradient(x.data, dy.data, x.count, width(), gain.value.as<float>().data(), eps,
                                         residual, dx.data, statistics);
}

void TrainableLayerNorm::add_gradients(Rows<const float> x, Rows<const float> dy, const RowStatistics* statistics) {
  const TrainingKernels& k = training_kernels();
  for (std::size_t row = 0; row < x.count; row += kSummedRows) {
    const std::size_t rows = std::min(kSummedRows, x.count - row);
    if (gain.learns()) {
      k.gain_gradient(x.row(row), dy.row(row), rows, width(), statistics + row, gain.gradient.as<float>().data());
    }
    if (bias.learns()) k.column_sums(dy.row(row), rows, width(), width(), bias.gradient.as<float>().data());
  }
}

}  // namespace mt
