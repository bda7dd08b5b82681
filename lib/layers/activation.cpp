#include "layers/activation.h"

#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

float normal_cumulative(float x) { return 0.5F * std::erfc(-x * (std::numbers::sqrt2_v<float> / 2)); }
float normal_density(float x) {
  constexpr float kFactor = 0.3989422804F;  // 1 / sqrt(2 pi)
  return kFactor * std::exp(-0.5F * x * x);
}

}  // namespace

std::string_view name_of(Nonlinearity kind) { return kind == Nonlinearity::gelu ? "gelu" : "relu"; }

Nonlinearity nonlinearity_named(std::string_view name) {
  for (const Nonlinearity kind : {Nonlinearity::gelu, Nonlinearity::relu}) {
    if (name == name_of(kind)) return kind;
  }
  throw Error(name, "is not an activation", "use gelu or relu");
}

void activation_forward(Nonlinearity kind, std::span<const float> x, std::span<float> y) {
  switch (kind) {
    case Nonlinearity::gelu:
      for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * normal_cumulative(x[i]);
      return;
    case Nonlinearity::relu:
      for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] > 0 ? x[i] : 0;
      return;
  }
}

void activation_backward(Nonlinearity kind, std::span<const float> x, std::span<const float> dy, std::span<float> dx) {
  switch (kind) {
    case Nonlinearity::gelu:
      for (std::size_t i = 0; i < x.size(); ++i) {
        dx[i] = dy[i] * (normal_cumulative(x[i]) + x[i] * normal_density(x[i]));
      }
      return;
    case Nonlinearity::relu:
      for (std::size_t i = 0; i < x.size(); ++i) dx[i] = x[i] > 0 ? dy[i] : 0;
      return;
  }
}

}  // namespace mt
