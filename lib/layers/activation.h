// Pointwise non-linearities between linear layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace mt {

enum class Nonlinearity : std::uint8_t { gelu, relu };  // gelu: exact, x * Phi(x)
std::string_view name_of(Nonlinearity kind);
Nonlinearity nonlinearity_named(std::string_view name);  // throws Error

// y = f(x), element by element; y may be x.
void activation_forward(Nonlinearity kind, std::span<const float> x, std::span<float> y);
// dx = dy * f'(x); overwrites dx, which may be dy.
void activation_backward(Nonlinearity kind, std::span<const float> x, std::span<const float> dy, std::span<float> dx);

}  // namespace mt
