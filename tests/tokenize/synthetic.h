// Pictures that C++ and tests/reference/make_image_goldens.py compute alike, so that goldens stay small.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "decode/image.h"

namespace mt::test {

// The value of channel c at (y, x): "noise" (hashed), "extremes" (hashed 0 or 255), "waves" (smooth with wraps),
// "white".
inline std::uint8_t synthetic_value(std::string_view kind, std::uint32_t y, std::uint32_t x, std::uint32_t c) {
  std::uint32_t hash = (y * 65537U + x * 257U + c) * 0x9E3779B1U;
  hash ^= hash >> 15;
  hash *= 0x846CA68BU;
  hash ^= hash >> 16;
  if (kind == "noise") return static_cast<std::uint8_t>(hash >> 24);
  if (kind == "extremes") return (hash >> 24) % 2 == 0 ? 0 : 255;
  if (kind == "waves") return static_cast<std::uint8_t>(y * 3 + x * 5 + c * 40 + ((x * y) >> 4));
  if (kind == "white") return 255;
  throw std::invalid_argument("no such synthetic picture");
}

// [height, width, channels] u8.
inline Tensor synthetic(std::string_view kind, std::size_t height, std::size_t width, std::size_t channels) {
  Tensor pixels(DType::u8, {height, width, channels});
  auto* out = pixels.as<std::uint8_t>().data();
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      for (std::uint32_t c = 0; c < channels; ++c) *out++ = synthetic_value(kind, y, x, c);
    }
  }
  return pixels;
}

}  // namespace mt::test
