// What decides how a recording becomes patches, and how a model's part states it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "store/model.h"
#include "tokenize/audio/filterbank.h"

namespace mt {

// A size on the spectrogram.
struct SpectrogramSize {
  std::size_t bins = 0, frames = 0;
  bool operator==(const SpectrogramSize&) const = default;
};

struct AudioSettings {
  std::size_t rate_hz = 16000;  // to which recordings are resampled
  std::size_t channel = 0;      // 0: the mean of all, else that one, counted from 1
  FilterbankOptions filterbank;
  std::optional<std::size_t> frames = 1024;  // cut or padded to as many; none: as long as they are
  SpectrogramSize patch{16, 16}, stride{10, 10};
  double mean = 0, std = 0.5;  // of the log-mel values, which become (x - mean) / (2 std)

  // Patches of so many frames: along the bins and along time. A spectrogram shorter than one patch is padded to one.
  SpectrogramSize grid(std::size_t count) const;
  std::size_t patch_values() const { return patch.bins * patch.frames; }
};

// mean and std of a preset: "audioset", "speech-commands", "esc-50" (those of AST, for 128 bins), "none" (values stay
// as they are); nullopt when there is none of this name.
struct AudioNormalization {
  double mean, std;
};
std::optional<AudioNormalization> audio_normalization_named(std::string_view name);

// Settings as a model's part and mt_config state them, and the reverse. audio_settings_of throws Error for what is
// missing or makes no sense.
nlohmann::json audio_config(const AudioSettings& settings);
AudioSettings audio_settings_of(const nlohmann::json& config);
// Throws UsageError when patches do not fit the spectrogram.
void require_patches_fit(const AudioSettings& settings);

// Adds to a part with audio_config's settings a projection [width, patch_values] in the order (bin, frame), a class
// token and learned positions of the grid (of `frames`, or where these are open of 1024), all from the seed.
void initialise_audio_embedding(Part& part, std::size_t width, std::uint64_t seed);
// Puts in their place what an image tokenizer has learned, as AST does it: its kernel summed over the colours, its
// class token, and its positions resized to the grid. False, and nothing done, when its kernel has another size than
// patches.
bool adopt_image_tokenizer(Part& part, const Part& image);

}  // namespace mt
