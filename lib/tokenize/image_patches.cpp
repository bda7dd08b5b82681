#include "tokenize/image_patches.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace mt {

namespace {

// Calls convert(channel, value) for every value and stores what it gives.
template <class In, class Out, class Convert>
void cut(const Tensor& pixels, std::size_t side, std::size_t channels, std::span<Out> rows, const Convert& convert) {
  const std::size_t height = pixels.shape()[0], width = pixels.shape()[1], stored = pixels.shape()[2];
  if (height % side != 0 || width % side != 0 || (stored != 1 && stored != channels) ||
      rows.size() != height * width * channels) {
    throw std::logic_error("cut_patches: the picture has no whole number of patches, or the rows do not fit it");
  }
  const In* const in = pixels.as<In>().data();
  Out* out = rows.data();
  for (std::size_t top = 0; top < height; top += side) {
    for (std::size_t left = 0; left < width; left += side) {
      for (std::size_t channel = 0; channel < channels; ++channel) {
        const std::size_t source = stored == 1 ? 0 : channel;
        for (std::size_t row = top; row < top + side; ++row) {
          const In* line = in + (row * width + left) * stored + source;
          for (std::size_t column = 0; column < side; ++column) out[column] = convert(channel, line[column * stored]);
          out += side;
        }
      }
    }
  }
}

}  // namespace

void cut_patches(const Tensor& pixels, std::size_t side, const Normalization& normalization, std::span<float> rows) {
  const std::size_t channels = normalization.channels();
  const auto normalised = [&](std::size_t channel, float value) {
    return (value / 255.0F - normalization.mean[channel]) / normalization.std[channel];
  };
  if (pixels.dtype() == DType::f32) return cut<float>(pixels, side, channels, rows, normalised);
  // A byte has 256 values: a table saves two divisions a pixel.
  std::vector<std::array<float, 256>> table(channels);
  for (std::size_t channel = 0; channel < channels; ++channel) {
    for (std::size_t value = 0; value < 256; ++value)
      table[channel][value] = normalised(channel, static_cast<float>(value));
  }
  cut<std::uint8_t>(pixels, side, channels, rows,
                    [&](std::size_t channel, std::uint8_t value) { return table[channel][value]; });
}

void cut_patches(const Tensor& pixels, std::size_t side, std::size_t channels, std::span<std::uint8_t> rows) {
  if (pixels.dtype() == DType::u8) {
    return cut<std::uint8_t>(pixels, side, channels, rows, [](std::size_t, std::uint8_t value) { return value; });
  }
  cut<float>(pixels, side, channels, rows, [](std::size_t, float value) {
    return static_cast<std::uint8_t>(std::clamp(std::nearbyint(value), 0.0F, 255.0F));
  });
}

}  // namespace mt
