#include "tokenize/image_alpha.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

namespace mt {

namespace {

// The value of an opaque pixel: floating-point pictures have their alpha in 0..1.
template <class T>
constexpr T opaque() {
  if constexpr (std::is_floating_point_v<T>)
    return 1;
  else
    return std::numeric_limits<T>::max();
}

template <class T>
Tensor separated(Tensor& pixels) {
  const std::size_t channels = pixels.shape()[2], colours = channels - 1, count = pixels.size() / channels;
  Tensor alpha(pixels.dtype(), {pixels.shape()[0], pixels.shape()[1], 1});
  Tensor rest(pixels.dtype(), {pixels.shape()[0], pixels.shape()[1], colours});
  const std::span<const T> in = std::as_const(pixels).as<T>();
  const std::span<T> a = alpha.as<T>(), c = rest.as<T>();
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < colours; ++k) c[i * colours + k] = in[i * channels + k];
    a[i] = in[i * channels + colours];
  }
  const bool visible = std::all_of(a.begin(), a.end(), [](T value) { return value == opaque<T>(); });
  pixels = std::move(rest);
  return visible ? Tensor() : alpha;
}

// The product of two bytes that stand for 0..1, rounded (Pillow's MULDIV255).
std::uint8_t product(std::uint8_t a, std::uint8_t b) {
  const std::uint32_t sum = std::uint32_t{a} * b + 128;
  return static_cast<std::uint8_t>(((sum >> 8) + sum) >> 8);
}
float product(float a, float b) { return a * b / 255.0F; }

std::uint8_t quotient(std::uint8_t value, std::uint8_t alpha) {
  if (alpha == 0 || alpha == 255) return value;
  return static_cast<std::uint8_t>(std::min(255U * value / alpha, 255U));
}
float quotient(float value, float alpha) { return alpha > 0 ? std::min(value * 255.0F / alpha, 255.0F) : value; }

template <class T>
Tensor premultiplied_as(std::span<const T> colours, std::span<const T> alpha, const Shape& shape) {
  const std::size_t channels = shape[2];
  Tensor result(dtype_of<T>(), {shape[0], shape[1], channels + 1});
  T* out = result.as<T>().data();
  for (std::size_t i = 0; i < alpha.size(); ++i) {
    for (std::size_t k = 0; k < channels; ++k) *out++ = product(colours[i * channels + k], alpha[i]);
    *out++ = alpha[i];
  }
  return result;
}

template <class T>
Tensor unpremultiplied_as(const Tensor& pixels) {
  const std::size_t channels = pixels.shape()[2], count = pixels.size() / channels;
  Tensor result(pixels.dtype(), {pixels.shape()[0], pixels.shape()[1], channels - 1});
  const T* in = pixels.as<T>().data();
  T* out = result.template as<T>().data();
  for (std::size_t i = 0; i < count; ++i, in += channels) {
    for (std::size_t k = 0; k + 1 < channels; ++k) *out++ = quotient(in[k], in[channels - 1]);
  }
  return result;
}

// Alpha in 0..255 whatever its type.
Tensor alpha_levels(const Tensor& alpha) {
  Tensor levels = alpha.to(DType::f32);
  const float scale = alpha.dtype() == DType::u8 ? 1.0F : alpha.dtype() == DType::u16 ? 1.0F / 257.0F : 255.0F;
  for (float& value : levels.as<float>()) value *= scale;
  return levels;
}

}  // namespace

Tensor separated_alpha(Tensor& pixels) {
  if (pixels.shape()[2] % 2 != 0) return {};
  switch (pixels.dtype()) {
    case DType::u8:
      return separated<std::uint8_t>(pixels);
    case DType::u16:
      return separated<std::uint16_t>(pixels);
    default:
      return separated<float>(pixels);
  }
}

Tensor premultiplied(const Tensor& colours, const Tensor& alpha) {
  if (colours.dtype() == DType::u8 && alpha.dtype() == DType::u8) {
    return premultiplied_as(colours.as<std::uint8_t>(), alpha.as<std::uint8_t>(), colours.shape());
  }
  const Tensor values = colours.to(DType::f32), levels = alpha_levels(alpha);
  return premultiplied_as(values.as<float>(), levels.as<float>(), colours.shape());
}

Tensor unpremultiplied(const Tensor& pixels) {
  return pixels.dtype() == DType::u8 ? unpremultiplied_as<std::uint8_t>(pixels) : unpremultiplied_as<float>(pixels);
}

}  // namespace mt
