// Recordings through libsndfile: WAV (PCM of 8 to 32 bits, float, A-law, u-law, ADPCM), FLAC, Ogg Vorbis, Opus, MP3,
// AIFF, AU, CAF and what else it reads; other files are refused with a message, damaged ones too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

// File extensions of recordings, without dot.
const std::vector<std::string_view>& audio_extensions();

class AudioFile {
 public:
  // Throws Error: missing, no regular file, empty, unknown, cut (a WAV with fewer bytes than it declares), or built
  // without libsndfile.
  explicit AudioFile(const std::filesystem::path& path);
  // A file in memory that the caller keeps alive; name is for errors.
  AudioFile(std::span<const std::byte> bytes, std::string name);
  ~AudioFile();
  AudioFile(AudioFile&&) noexcept;

  std::size_t sample_rate_hz() const;
  std::size_t channels() const;
  // Samples of one channel; of compressed recordings (MP3) an estimate.
  std::int64_t frames() const;

  // channel 0: the mean of all; else that one, counted from 1. Samples [begin, begin + count) of it, full scale at +-1,
  // fewer where the recording ends. Memory is bounded by what the file holds, whatever count is. Throws Error: a
  // channel that the recording does not have, NaN or infinite samples, damage.
  std::vector<float> read(std::int64_t begin, std::int64_t count, std::size_t channel);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mt
