#include "layers/packed_linear.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/gemm.h"
#include "kernels/training.h"

namespace mt {

namespace {

// Tiles of the weight gradient, each one product over all rows.
constexpr std::size_t kTileOutputs = 384, kTileInputs = 768;
// Rows whose bias gradients are summed in float32 before they are added to what is there.
constexpr std::size_t kSummedRows = 64;

std::size_t tiles_of(std::size_t size, std::size_t tile) { return (size + tile - 1) / tile; }

void require_widths(const char* what, std::size_t given, std::size_t expected) {
  if (given == expected) return;
  throw std::logic_error(fmt::format("packed linear: {} is {} wide, not {}", what, given, expected));
}

}  // namespace

PackedLinear::PackedLinear(std::string name, Tensor weight, Tensor bias, const LinearTraining& training, Random random)
    : name_(std::move(name)),
      inputs_(weight.columns()),
      outputs_(weight.rows()),
      training_(training),
      weight_(name_ + ".weight", std::move(weight), true),
      bias_(name_ + ".bias", std::move(bias), false) {
  if (weight_.value.shape().size() != 2 || bias_.value.shape() != Shape{outputs_}) {
    throw Error(name_, fmt::format("weight is {}, bias is {}", to_string(weight_.value.shape()),
                                   to_string(bias_.value.shape())));
  }
  if (training_.weight && training_.rank > 0) throw std::logic_error("packed linear: an update beside what learns");
  if (training_.weight) weight_.clear_gradient();
  if (training_.bias) bias_.clear_gradient();
  if (training_.rank == 0) return;
  down_ = Parameter(name_ + ".lora_a", Tensor(DType::f32, {training_.rank, inputs_}), true);
  up_ = Parameter(name_ + ".lora_b", Tensor(DType::f32, {outputs_, training_.rank}), true);
  const float bound = 1.0F / std::sqrt(static_cast<float>(inputs_));
  random.fill_uniform(down_.value.as<float>(), -bound, bound);
  down_.clear_gradient();
  up_.clear_gradient();
}

std::vector<Parameter*> PackedLinear::parameters() {
  std::vector<Parameter*> result;
  for (Parameter* parameter : {&weight_, &bias_, &down_, &up_}) {
    if (parameter->learns()) result.push_back(parameter);
  }
  return result;
}

Tensor PackedLinear::learned_weight() const {
  if (training_.rank > 0) {
    Tensor sum(DType::f32, {outputs_, inputs_});
    std::ranges::copy(weight_.value.as<float>(), sum.as<float>().begin());
    gemm(outputs_, inputs_, training_.rank, {up_.value.as<float>().data(), training_.rank},
         {down_.value.as<float>().data(), inputs_}, sum.as<float>().data(), inputs_, true);
    return sum;
  }
  return training_.weight ? weight_.value : Tensor();
}

Tensor PackedLinear::learned_bias() const { return training_.bias ? bias_.value : Tensor(); }

void PackedLinear::pack() {
  const bool first = !forward_;
  if (!first && !learns()) return;
  const Tensor sum = training_.rank > 0 ? learned_weight() : Tensor();
  const auto weight = training_.rank > 0 ? sum.as<float>() : std::as_const(weight_.value).as<float>();
  const auto bias = std::as_const(bias_.value).as<float>();
  if (first) {
    forward_.emplace(weight, bias, inputs_, outputs_, Finish::bias, kernels(), training_.precision);
    if (training_.backwards) {
      // dx = dy W: the weight of this product lies by its inputs.
      backward_.emplace(weight, std::span<const float>(), outputs_, inputs_, Finish::bias, kernels(),
                        training_.precision, ProductBackend::automatic, WeightOrder::by_input);
    }
  } else {
    forward_->replace(weight, bias);
    if (backward_ && weights_learn()) backward_->replace(weight, {});
  }
  if (!learns()) weight_.value = bias_.value = Tensor();
}

void PackedLinear::run(const Linear& product, Rows<const float> x, Rows<float> y) const {
  Operand operand(kernels(), training_.precision);
  product.forward(operand.of_floats(x), y);
}

void PackedLinear::forward(Rows<const float> x, Rows<float> y) const {
  require_widths("x", x.width, inputs_);
  require_widths("y", y.width, outputs_);
  run(*forward_, x, y);
}

void PackedLinear::backward(Rows<const float> dy, Rows<float> dx) const {
  require_widths("dy", dy.width, outputs_);
  require_widths("dx", dx.width, inputs_);
  run(*backward_, dy, dx);
}

// Weight: a grid of tiles. Bias: with the tiles of the first column, or a column of its own. Update: one.
std::size_t PackedLinear::input_tiles() const { return training_.weight ? tiles_of(inputs_, kTileInputs) : 1; }

std::size_t PackedLinear::gradient_tiles() const {
  const std::size_t grid = training_.weight || training_.bias ? input_tiles() * tiles_of(outputs_, kTileOutputs) : 0;
  return grid + (training_.rank > 0 ? 1 : 0);
}

void PackedLinear::add_gradients(std::size_t tile, Rows<const float> x, Rows<const float> dy) {
  require_widths("x", x.width, inputs_);
  require_widths("dy", dy.width, outputs_);
  if (training_.rank > 0 && tile + 1 == gradient_tiles()) return add_update_gradients(x, dy);
  if (training_.weight) add_weight_gradients(tile, x, dy);
  if (training_.bias && tile % input_tiles() == 0) add_bias_gradients(tile, dy);
}

void PackedLinear::add_weight_gradients(std::size_t tile, Rows<const float> x, Rows<const float> dy) {
  const std::size_t output = tile / input_tiles() * kTileOutputs, input = tile % input_tiles() * kTileInputs;
  gemm(std::min(kTileOutputs, outputs_ - output), std::min(kTileInputs, inputs_ - input), x.count,
       {dy.data + output, dy.stride, OperandForm::transposed}, {x.data + input, x.stride},
       weight_.gradient.as<float>().data() + output * inputs_ + input, inputs_, true);
}

void PackedLinear::add_bias_gradients(std::size_t tile, Rows<const float> dy) {
  const std::size_t first = tile / input_tiles() * kTileOutputs, columns = std::min(kTileOutputs, outputs_ - first);
  float* gradient = bias_.gradient.as<float>().data() + first;
  for (std::size_t row = 0; row < dy.count; row += kSummedRows) {
    training_kernels().column_sums(dy.row(row) + first, std::min(kSummedRows, dy.count - row), dy.stride, columns,
                                   gradient);
  }
}

// y = x (W + B A)^T: with u = x A^T and v = dy B, dB = dy^T u and dA = v^T x.
void PackedLinear::add_update_gradients(Rows<const float> x, Rows<const float> dy) {
  const std::size_t rank = training_.rank, rows = x.count;
  Aligned<float> small(rows * rank);
  gemm(rows, rank, inputs_, {x.data, x.stride},
       {std::as_const(down_.value).as<float>().data(), inputs_, OperandForm::transposed}, small.data(), rank);
  gemm(outputs_, rank, rows, {dy.data, dy.stride, OperandForm::transposed}, {small.data(), rank},
       up_.gradient.as<float>().data(), rank, true);
  gemm(rows, rank, outputs_, {dy.data, dy.stride}, {std::as_const(up_.value).as<float>().data(), rank}, small.data(),
       rank);
  gemm(rank, inputs_, rows, {small.data(), rank, OperandForm::transposed}, {x.data, x.stride},
       down_.gradient.as<float>().data(), inputs_, true);
}

}  // namespace mt
