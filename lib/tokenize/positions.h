// Position embeddings of a grid of patches: resized to other grids, or computed where a model has none to load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/tensor.h"
#include "tokenize/resize.h"

namespace mt {

// How a family resizes its grid; both are bicubic with align_corners = false.
enum class PositionResize : std::uint8_t {
  antialias,  // open_clip, timm: antialiased, a = -0.5
  plain,      // Hugging Face: four taps whatever the scale, a = -0.75
};
std::string_view name_of(PositionResize kind);
PositionResize position_resize_named(std::string_view name);  // throws Error

// positions: [prefix + from.height * from.width, width] f32, the grid in raster order behind `prefix` rows that are
// kept. Gives [prefix + to.height * to.width, width]; the same numbers when the grids are equal.
Tensor resized_positions(const Tensor& positions, std::size_t prefix, Size from, Size to, PositionResize kind);

// [height * width, width_of_embedding]: sines and cosines of the row in the first half of the columns, of the column in
// the second; frequencies 10000^(-i / quarter), as in "An image is worth 16x16 words" re-implementations (MAE, MoCo
// v3). A width that is no multiple of four ends in zeros.
Tensor sincos_positions(Size grid, std::size_t width);

// position(t, 2i) = sin(t / 10000^(2i / width)), position(t, 2i + 1) = cos of the same (Vaswani et al., 2017): [width].
void sincos_position(std::size_t position, std::span<float> out);

}  // namespace mt
