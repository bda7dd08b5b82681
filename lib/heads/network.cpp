#include "heads/network.h"

#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "layers/tiles.h"

namespace mt {

namespace {

std::vector<std::size_t> widths_of(const NetworkShape& shape) {
  std::vector<std::size_t> widths{shape.inputs};
  widths.insert(widths.end(), shape.hidden.begin(), shape.hidden.end());
  widths.push_back(shape.outputs);
  return widths;
}

std::string layer_name(std::size_t layer) { return fmt::format("layers.{}", layer); }

}  // namespace

std::size_t NetworkShape::parameter_count() const {
  const auto widths = widths_of(*this);
  std::size_t count = 0;
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) count += (widths[i] + 1) * widths[i + 1];
  return count;
}

Network::Network(NetworkShape shape, std::uint64_t seed) : shape_(std::move(shape)) {
  const auto widths = widths_of(shape_);
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    Random random(seed, stream_of("head", i));
    layers_.emplace_back(layer_name(i), widths[i], widths[i + 1], random);
  }
}

Network::Network(NetworkShape shape, const std::map<std::string, Tensor>& tensors) : shape_(std::move(shape)) {
  const auto widths = widths_of(shape_);
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    const auto take = [&](const char* what, const Shape& expected) {
      const std::string name = layer_name(i) + "." + what;
      const auto found = tensors.find(name);
      if (found == tensors.end()) throw Error("head", fmt::format("tensor {} is missing", name), "train it again");
      if (found->second.shape() != expected || found->second.dtype() != DType::f32) {
        throw Error("head", fmt::format("{} is {} {}, not float32 {}", name, name_of(found->second.dtype()),
                                        to_string(found->second.shape()), to_string(expected)));
      }
      return found->second;
    };
    Tensor weight = take("weight", {widths[i + 1], widths[i]}), bias = take("bias", {widths[i + 1]});
    layers_.emplace_back(layer_name(i), std::move(weight), std::move(bias));
  }
}

std::vector<Parameter*> Network::parameters() {
  std::vector<Parameter*> result;
  for (TrainableLinear& layer : layers_) {
    result.push_back(&layer.weight);
    result.push_back(&layer.bias);
  }
  return result;
}

std::map<std::string, Tensor> Network::tensors() const {
  std::map<std::string, Tensor> result;
  for (const TrainableLinear& layer : layers_) {
    result.emplace(layer.weight.name, layer.weight.value);
    result.emplace(layer.bias.name, layer.bias.value);
  }
  return result;
}

void Network::rescale_outputs(std::span<const float> factor, std::span<const float> shift) {
  TrainableLinear& last = layers_.back();
  for (std::size_t k = 0; k < shape_.outputs; ++k) {
    for (float& weight : last.weight.value.row<float>(k)) weight *= factor[k];
    float& bias = last.bias.value.as<float>()[k];
    bias = bias * factor[k] + shift[k];
  }
}

Dropout Network::dropout_of(std::size_t layer, const Saved& saved) const {
  return {.probability = shape_.dropout, .seed = saved.seed, .step = saved.step, .layer = layer};
}

void Network::forward_rows(const float* x, float* logits, std::size_t rows) const {
  std::vector<float> current, next;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const float* from = i == 0 ? x : current.data();
    if (i + 1 == layers_.size()) {
      layers_[i].forward_rows(from, logits, rows);
      return;
    }
    next.resize(rows * layers_[i].outputs());
    layers_[i].forward_rows(from, next.data(), rows);
    activation_forward(shape_.activation, next, next);
    current.swap(next);
  }
}

Tensor Network::forward(const Tensor& x, std::uint64_t seed, std::uint64_t step, Saved& saved, ThreadPool& pool) const {
  const std::size_t samples = x.rows();
  saved = {.before = {}, .after = {}, .seed = seed, .step = step};
  for (std::size_t i = 0; i < shape_.hidden.size(); ++i) {
    const std::size_t width = layers_[i].outputs();
    Tensor before(DType::f32, {samples, width}), after(DType::f32, {samples, width});
    layers_[i].forward(i == 0 ? x : saved.after.back(), before, pool);
    const Dropout dropout = dropout_of(i, saved);
    for_each_row_tile(samples, pool, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) {
        const auto values = after.row<float>(row);
        activation_forward(shape_.activation, std::as_const(before).row<float>(row), values);
        dropout.apply(values, row);
      }
    });
    saved.before.push_back(std::move(before));
    saved.after.push_back(std::move(after));
  }
  Tensor logits(DType::f32, {samples, shape_.outputs});
  layers_.back().forward(saved.after.empty() ? x : saved.after.back(), logits, pool);
  return logits;
}

void Network::backward(const Tensor& x, const Saved& saved, const Tensor& dlogits, Tensor* dx, ThreadPool& pool) {
  const std::size_t samples = x.rows();
  Tensor slope = dlogits;
  for (std::size_t i = layers_.size() - 1; i > 0; --i) {
    Tensor below(DType::f32, {samples, layers_[i].inputs()});
    layers_[i].backward(saved.after[i - 1], slope, &below, pool);
    const Dropout dropout = dropout_of(i - 1, saved);
    for_each_row_tile(samples, pool, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) {
        const auto values = below.row<float>(row);
        dropout.apply(values, row);
        activation_backward(shape_.activation, saved.before[i - 1].row<float>(row), values, values);
      }
    });
    slope = std::move(below);
  }
  layers_.front().backward(x, slope, dx, pool);
}

}  // namespace mt
