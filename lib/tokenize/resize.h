// Resizing pictures exactly as Pillow does: separable, antialiased when shrinking, the horizontal pass first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/tensor.h"

namespace mt {

enum class Filter : std::uint8_t { bilinear, bicubic };  // bicubic: Keys' kernel with a = -0.5
std::string_view name_of(Filter filter);
Filter filter_named(std::string_view name);  // throws UsageError

struct Size {
  std::size_t height = 0, width = 0;
  bool operator==(const Size&) const = default;
};

struct Rectangle {
  std::size_t top = 0, left = 0;
  Size size;
};

// pixels: [height, width, channels], u8 or f32. Gives the rectangle `part` of the picture resized to `size`: the same
// numbers as resizing all of it and cropping. u8 equals Pillow's modes L and RGB byte for byte (fixed point with 22
// bits, rounded after each pass); f32 its mode F (double sums, rounded to float after each pass). Callable from several
// threads.
Tensor resize(const Tensor& pixels, Size size, Rectangle part, Filter filter);
Tensor resize(const Tensor& pixels, Size size, Filter filter);

}  // namespace mt
