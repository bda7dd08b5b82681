// Log-mel spectrograms cut into patches, as a convolution over [bins, frames] sees them.
#pragma once

#include <cstddef>

#include "base/tensor.h"
#include "tokenize/audio/audio_settings.h"

namespace mt {

// log_mel: [some, bins] f32. Gives [frames, bins]: normalised, then cut at the end or filled up with zeros, which stand
// for the mean.
Tensor normalised_frames(const Tensor& log_mel, const AudioSettings& settings, std::size_t frames);

// spectrogram: [frames, bins]. Gives [grid, patch.bins * patch.frames]: patches along time fastest (frequency-major),
// values within a patch in the order (bin, frame). What no whole patch covers is left out.
Tensor cut_spectrogram(const Tensor& spectrogram, const AudioSettings& settings);

}  // namespace mt
