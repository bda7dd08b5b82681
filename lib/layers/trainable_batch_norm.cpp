#include "layers/trainable_batch_norm.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

TrainableBatchNorm::TrainableBatchNorm(const std::string& name, Tensor gain_value, Tensor bias_value,
                                       Tensor running_mean, Tensor running_variance, float eps_value)
    : gain(name + ".weight", std::move(gain_value), false),
      bias(name + ".bias", std::move(bias_value), false),
      mean(std::move(running_mean)),
      variance(std::move(running_variance)),
      eps(eps_value) {
  const Shape& shape = gain.value.shape();
  if (shape.size() != 1 || gain.value.empty() || bias.value.shape() != shape || mean.shape() != shape ||
      variance.shape() != shape) {
    throw Error(name, fmt::format("weight is {}, bias {}, running statistics {} and {}", to_string(shape),
                                  to_string(bias.value.shape()), to_string(mean.shape()), to_string(variance.shape())));
  }
  if (!std::ranges::all_of(std::as_const(variance).as<float>(), [](float v) { return v >= 0; })) {
    throw Error(name, "holds a negative variance", "check the model with mt-inspect");
  }
}

TrainableBatchNorm::Affine TrainableBatchNorm::affine() const {
  Affine result{std::vector<float>(width()), std::vector<float>(width())};
  for (std::size_t i = 0; i < width(); ++i) {
    const double scale =
        gain.value.as<float>()[i] / std::sqrt(static_cast<double>(variance.as<float>()[i]) + static_cast<double>(eps));
    result.scale[i] = static_cast<float>(scale);
    result.shift[i] = static_cast<float>(bias.value.as<float>()[i] - scale * mean.as<float>()[i]);
  }
  return result;
}

void TrainableBatchNorm::forward(const Tensor& x, Tensor& y) const {
  const Affine fixed = affine();
  for (std::size_t t = 0; t < x.rows(); ++t) {
    const auto in = x.row<float>(t);
    const auto out = y.row<float>(t);
    for (std::size_t i = 0; i < width(); ++i) out[i] = in[i] * fixed.scale[i] + fixed.shift[i];
  }
}

void TrainableBatchNorm::backward(const Tensor& x, const Tensor& dy, Tensor& dx) {
  const std::size_t n = width();
  const Affine fixed = affine();
  std::vector<double> inverse(n), sum(n), along(n);  // of dy, and of dy * normalised x
  for (std::size_t i = 0; i < n; ++i) {
    inverse[i] = 1 / std::sqrt(static_cast<double>(std::as_const(variance).as<float>()[i]) + static_cast<double>(eps));
  }
  const auto middle = std::as_const(mean).as<float>();
  for (std::size_t t = 0; t < x.rows(); ++t) {
    const auto in = x.row<float>(t), out = dy.row<float>(t);
    const auto back = dx.row<float>(t);
    for (std::size_t i = 0; i < n; ++i) {
      sum[i] += out[i];
      along[i] += out[i] * ((in[i] - middle[i]) * inverse[i]);
      back[i] = out[i] * fixed.scale[i];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (gain.learns()) gain.gradient.as<float>()[i] += static_cast<float>(along[i]);
    if (bias.learns()) bias.gradient.as<float>()[i] += static_cast<float>(sum[i]);
  }
}

TrainableBatchNorm::Statistics TrainableBatchNorm::forward_training(const Tensor& x, Tensor& y, double momentum) {
  const std::size_t n = width(), tokens = x.rows();
  if (tokens < 2) throw std::logic_error("batch norm: one row has no variance");
  Statistics statistics{std::vector<double>(n), std::vector<double>(n)};
  std::vector<double> squares(n);
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto in = x.row<float>(t);
    for (std::size_t i = 0; i < n; ++i) statistics.mean[i] += in[i];
  }
  for (double& value : statistics.mean) value /= static_cast<double>(tokens);
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto in = x.row<float>(t);
    for (std::size_t i = 0; i < n; ++i) squares[i] += (in[i] - statistics.mean[i]) * (in[i] - statistics.mean[i]);
  }
  const auto towards = [momentum](float& running, double batch) {
    running = static_cast<float>((1 - momentum) * running + momentum * batch);
  };
  for (std::size_t i = 0; i < n; ++i) {
    statistics.inverse_deviation[i] =
        1 / std::sqrt(squares[i] / static_cast<double>(tokens) + static_cast<double>(eps));
    towards(mean.as<float>()[i], statistics.mean[i]);
    towards(variance.as<float>()[i], squares[i] / static_cast<double>(tokens - 1));
  }
  const auto scale = std::as_const(gain.value).as<float>(), shift = std::as_const(bias.value).as<float>();
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto in = x.row<float>(t);
    const auto out = y.row<float>(t);
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = static_cast<float>((in[i] - statistics.mean[i]) * statistics.inverse_deviation[i] * scale[i] + shift[i]);
    }
  }
  return statistics;
}

void TrainableBatchNorm::backward_training(const Tensor& x, const Statistics& statistics, const Tensor& dy,
                                           Tensor& dx) {
  const std::size_t n = width(), tokens = x.rows();
  std::vector<double> sum(n), along(n);  // of dy, and of dy * normalised x
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto in = x.row<float>(t), out = dy.row<float>(t);
    for (std::size_t i = 0; i < n; ++i) {
      sum[i] += out[i];
      along[i] += out[i] * ((in[i] - statistics.mean[i]) * statistics.inverse_deviation[i]);
    }
  }
  const auto scale = std::as_const(gain.value).as<float>();
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto in = x.row<float>(t), out = dy.row<float>(t);
    const auto back = dx.row<float>(t);
    for (std::size_t i = 0; i < n; ++i) {
      const double normal = (in[i] - statistics.mean[i]) * statistics.inverse_deviation[i];
      back[i] = static_cast<float>(scale[i] * statistics.inverse_deviation[i] *
                                   (out[i] - (sum[i] + normal * along[i]) / static_cast<double>(tokens)));
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (gain.learns()) gain.gradient.as<float>()[i] += static_cast<float>(along[i]);
    if (bias.learns()) bias.gradient.as<float>()[i] += static_cast<float>(sum[i]);
  }
}

}  // namespace mt
