// Pictures cut into square patches, in the order in which a convolution of stride = side sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/tensor.h"
#include "tokenize/resize.h"

namespace mt {

// Constants of (value - mean) / std for values scaled to 0..1, one per channel.
struct Normalization {
  std::vector<float> mean, std;
  std::size_t channels() const { return mean.size(); }
};

// pixels: [height, width, 1 or channels], u8 or f32 in 0..255, whole patches along both sides. One channel is
// replicated. rows: [patches, channels * side * side], patches in raster order, values in the order (channel, row,
// column). Normalised exactly as torchvision's ToTensor and Normalize do it (float32, division by 255 first).
void cut_patches(const Tensor& pixels, std::size_t side, const Normalization& normalization, std::span<float> rows);
// Not normalised; f32 is rounded.
void cut_patches(const Tensor& pixels, std::size_t side, std::size_t channels, std::span<std::uint8_t> rows);

}  // namespace mt
