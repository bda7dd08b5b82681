#include "layers/trainable_layer_norm.h"

#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/kernels.h"

namespace mt {

namespace {

struct Statistics {
  double mean, inverse_deviation;
};

Statistics statistics_of(std::span<const float> x, float eps) {
  double sum = 0, squares = 0;
  for (const float value : x) sum += value;
  const double mean = sum / static_cast<double>(x.size());
  for (const float value : x) squares += (value - mean) * (value - mean);
  return {mean, 1 / std::sqrt(squares / static_cast<double>(x.size()) + static_cast<double>(eps))};
}

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

void TrainableLayerNorm::forward(const Tensor& x, Tensor& y) const {
  const std::size_t tokens = x.rows();
  kernels().layer_norm(x.as<float>().data(), tokens, width(), gain.value.as<float>().data(),
                       bias.value.as<float>().data(), eps, y.as<float>().data());
}

void TrainableLayerNorm::backward(const Tensor& x, const Tensor& dy, Tensor& dx) {
  const auto scale = std::as_const(gain.value).as<float>();
  const std::size_t n = width();
  std::vector<double> normal(n), scaled(n);
  for (std::size_t t = 0; t < x.rows(); ++t) {
    const auto in = x.row<float>(t), out = dy.row<float>(t);
    const Statistics s = statistics_of(in, eps);
    double sum = 0, along = 0;  // of g = dy * gain, and of g * normalised x
    for (std::size_t i = 0; i < n; ++i) {
      normal[i] = (in[i] - s.mean) * s.inverse_deviation;
      scaled[i] = static_cast<double>(out[i]) * scale[i];
      sum += scaled[i];
      along += scaled[i] * normal[i];
    }
    if (gain.learns()) {
      for (std::size_t i = 0; i < n; ++i) gain.gradient.as<float>()[i] += static_cast<float>(out[i] * normal[i]);
    }
    if (bias.learns()) {
      for (std::size_t i = 0; i < n; ++i) bias.gradient.as<float>()[i] += out[i];
    }
    const auto back = dx.row<float>(t);
    for (std::size_t i = 0; i < n; ++i) {
      back[i] =
          static_cast<float>(s.inverse_deviation * (scaled[i] - (sum + normal[i] * along) / static_cast<double>(n)));
    }
  }
}

}  // namespace mt
