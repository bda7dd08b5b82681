#include "tokenize/audio/spectrogram.h"

#include <algorithm>

namespace mt {

Tensor normalised_frames(const Tensor& log_mel, const AudioSettings& settings, std::size_t frames) {
  Tensor result(DType::f32, {frames, log_mel.columns()});
  const auto in = log_mel.as<float>();
  const auto out = result.as<float>();
  const double scale = 2 * settings.std;
  for (std::size_t i = 0; i < std::min(in.size(), out.size()); ++i)
    out[i] = static_cast<float>((static_cast<double>(in[i]) - settings.mean) / scale);
  return result;
}

Tensor cut_spectrogram(const Tensor& spectrogram, const AudioSettings& settings) {
  const SpectrogramSize grid = settings.grid(spectrogram.rows());
  const std::size_t bins = spectrogram.columns();
  Tensor patches(DType::f32, {grid.bins * grid.frames, settings.patch_values()});
  const float* const in = spectrogram.as<float>().data();
  float* out = patches.as<float>().data();
  for (std::size_t row = 0; row < grid.bins; ++row) {
    for (std::size_t column = 0; column < grid.frames; ++column) {
      const float* const corner = in + column * settings.stride.frames * bins + row * settings.stride.bins;
      for (std::size_t bin = 0; bin < settings.patch.bins; ++bin) {
        for (std::size_t frame = 0; frame < settings.patch.frames; ++frame) *out++ = corner[frame * bins + bin];
      }
    }
  }
  return patches;
}

}  // namespace mt
