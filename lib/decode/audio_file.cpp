#include "decode/audio_file.h"

#include "base/error.h"

namespace mt {

const std::vector<std::string_view>& audio_extensions() {
  static const std::vector<std::string_view> extensions = {"wav", "wave", "w64", "rf64", "flac", "ogg",
                                                           "oga", "opus", "mp3", "aif",  "aiff", "aifc",
                                                           "au",  "snd",  "caf", "voc",  "sph",  "nist"};
  return extensions;
}

}  // namespace mt

#ifdef MT_HAVE_SNDFILE

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <mutex>

#include <fmt/format.h>
#include <sndfile.h>

#include "base/byte_reader.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBlockValues = 1 << 16;                // values of all channels that are decoded at once
constexpr std::size_t kHeaderBytes = 1 << 16;                // of a WAV, in which its chunks are looked for
constexpr std::int64_t kMostFrames = std::int64_t{1} << 33;  // a day and more at 96 kHz

struct CloseSound {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SoundHandle = std::unique_ptr<SNDFILE, CloseSound>;

// A file in memory, as libsndfile wants to see it.
struct Memory {
  std::span<const std::byte> bytes;
  sf_count_t at = 0;
};

sf_count_t size_of_memory(void* user) { return static_cast<sf_count_t>(static_cast<Memory*>(user)->bytes.size()); }

sf_count_t seek_in_memory(sf_count_t offset, int whence, void* user) {
  auto& memory = *static_cast<Memory*>(user);
  const sf_count_t size = size_of_memory(user);
  const sf_count_t base = whence == SEEK_CUR ? memory.at : whence == SEEK_END ? size : 0;
  sf_count_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0 || target > size) return -1;
  return memory.at = target;
}

sf_count_t read_from_memory(void* out, sf_count_t count, void* user) {
  auto& memory = *static_cast<Memory*>(user);
  const sf_count_t got = std::clamp<sf_count_t>(count, 0, size_of_memory(user) - memory.at);
  std::memcpy(out, memory.bytes.data() + memory.at, static_cast<std::size_t>(got));
  memory.at += got;
  return got;
}

sf_count_t write_nothing(const void*, sf_count_t, void*) { return 0; }
sf_count_t tell_in_memory(void* user) { return static_cast<Memory*>(user)->at; }

// libsndfile takes a cut WAV for a shorter one; we do not. Streamed files declare a size of 0 or of all ones.
void require_whole_wav(std::span<const std::byte> head, std::uint64_t file_bytes, const std::string& name) {
  constexpr std::uint32_t kRiff = 0x46464952, kWave = 0x45564157, kData = 0x61746164;
  ByteReader reader(head, name);
  if (reader.remaining() < 12 || reader.take<std::uint32_t>() != kRiff) return;
  reader.skip(4);
  if (reader.take<std::uint32_t>() != kWave) return;
  while (reader.remaining() >= 8) {
    const auto tag = reader.take<std::uint32_t>(), size = reader.take<std::uint32_t>();
    if (tag == kData) {
      const std::uint64_t there = file_bytes - reader.position();
      if (size <= there || size >= 0x7fff0000U) return;
      throw Error(name, fmt::format("the WAV ends after {} of {} bytes of sound", there, size),
                  "it is cut: copy it again");
    }
    const std::uint64_t next = std::uint64_t{size} + size % 2;  // chunks start at even places
    if (next > reader.remaining()) break;
    reader.skip(next);
  }
  if (head.size() == file_bytes) {
    throw Error(name, fmt::format("the WAV ends after {} bytes, before its sound", file_bytes),
                "it is cut: copy it again");
  }
}

std::vector<std::byte> first_bytes(const fs::path& path, std::size_t most) {
  std::vector<std::byte> bytes(most);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(most));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

}  // namespace

struct AudioFile::Impl {
  std::string name;
  SF_INFO info{};
  Memory memory;
  SoundHandle file;

  // Opening writes to variables that all of libsndfile shares.
  template <class Open>
  void open_with(const Open& open) {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    file.reset(open());
    if (!file) {
      std::string reason = sf_strerror(nullptr);
      while (!reason.empty() && (reason.back() == '.' || reason.back() == '\n')) reason.pop_back();
      throw Error(name, fmt::format("is no recording that libsndfile reads: {}", reason),
                  "WAV, FLAC, Ogg, Opus, MP3 and AIFF are read");
    }
    if (info.channels < 1 || info.channels > 1024 || info.samplerate < 1 || info.samplerate > 10'000'000) {
      throw Error(name, fmt::format("declares {} channels at {} Hz", info.channels, info.samplerate));
    }
    if (info.frames < 0 || info.frames > kMostFrames) info.frames = kMostFrames;  // a claim; reading finds the end
  }

  std::size_t read_block(std::vector<float>& block, std::int64_t wanted) {
    const auto channels = static_cast<std::size_t>(info.channels);
    const auto most = static_cast<std::int64_t>(std::max<std::size_t>(1, kBlockValues / channels));
    block.resize(static_cast<std::size_t>(most) * channels);
    const sf_count_t got = sf_readf_float(file.get(), block.data(), std::min(wanted, most));
    if (got <= 0 && sf_error(file.get()) != SF_ERR_NO_ERROR)
      throw Error(name, fmt::format("is damaged: {}", sf_strerror(file.get())), "copy it again");
    return static_cast<std::size_t>(std::max<sf_count_t>(got, 0));
  }
};

AudioFile::AudioFile(const fs::path& path) : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.name = path.string();
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw system_error(impl.name, "open", error ? error.value() : ENOENT);
  if (!fs::is_regular_file(status)) throw Error(impl.name, "is not a regular file");
  const std::uint64_t size = fs::file_size(path, error);
  if (!error && size == 0) throw Error(impl.name, "is empty");
  require_whole_wav(first_bytes(path, kHeaderBytes), size, impl.name);
  impl.open_with([&] { return sf_open(path.c_str(), SFM_READ, &impl.info); });
}

AudioFile::AudioFile(std::span<const std::byte> bytes, std::string name) : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.name = std::move(name);
  if (bytes.empty()) throw Error(impl.name, "is empty");
  require_whole_wav(bytes.first(std::min(bytes.size(), kHeaderBytes)), bytes.size(), impl.name);
  impl.memory.bytes = bytes;
  SF_VIRTUAL_IO io{size_of_memory, seek_in_memory, read_from_memory, write_nothing, tell_in_memory};
  impl.open_with([&] { return sf_open_virtual(&io, SFM_READ, &impl.info, &impl.memory); });
}

AudioFile::~AudioFile() = default;
AudioFile::AudioFile(AudioFile&&) noexcept = default;

std::size_t AudioFile::sample_rate_hz() const { return static_cast<std::size_t>(impl_->info.samplerate); }
std::size_t AudioFile::channels() const { return static_cast<std::size_t>(impl_->info.channels); }
std::int64_t AudioFile::frames() const { return impl_->info.frames; }

std::vector<float> AudioFile::read(std::int64_t begin, std::int64_t count, std::size_t channel) {
  Impl& impl = *impl_;
  const std::size_t channels = this->channels();
  if (channel > channels) {
    throw Error(impl.name, fmt::format("has {} channels, number {} was asked for", channels, channel),
                "--channel mix takes the mean of all");
  }
  std::vector<float> samples, block;
  if (begin >= impl.info.frames || count <= 0) return samples;
  if (begin > 0 && sf_seek(impl.file.get(), begin, SEEK_SET) != begin) {
    throw Error(impl.name, fmt::format("sample {} of {} cannot be reached", begin, impl.info.frames), "copy it again");
  }
  const float share = 1.0F / static_cast<float>(channels);
  while (static_cast<std::int64_t>(samples.size()) < count) {
    const std::size_t got = impl.read_block(block, count - static_cast<std::int64_t>(samples.size()));
    if (got == 0) break;
    const std::size_t before = samples.size();
    samples.resize(before + got);
    for (std::size_t i = 0; i < got; ++i) {
      const float* const frame = block.data() + i * channels;
      float value = 0;
      if (channel > 0) {
        value = frame[channel - 1];
      } else {
        for (std::size_t c = 0; c < channels; ++c) value += frame[c];
        if (channels > 1) value *= share;
      }
      if (!std::isfinite(value)) {
        throw Error(impl.name, fmt::format("sample {} is {}", begin + static_cast<std::int64_t>(before + i), value),
                    "a recording holds finite numbers");
      }
      samples[before + i] = value;
    }
  }
  return samples;
}

}  // namespace mt

#else

namespace mt {

namespace {
[[noreturn]] void refuse(const std::string& name) {
  throw Error(name, "is a recording, which this build cannot read", "install libsndfile1-dev and build again");
}
}  // namespace

struct AudioFile::Impl {};
AudioFile::AudioFile(const std::filesystem::path& path) { refuse(path.string()); }
AudioFile::AudioFile(std::span<const std::byte>, std::string name) { refuse(name); }
AudioFile::~AudioFile() = default;
AudioFile::AudioFile(AudioFile&&) noexcept = default;
std::size_t AudioFile::sample_rate_hz() const { return 0; }
std::size_t AudioFile::channels() const { return 0; }
std::int64_t AudioFile::frames() const { return 0; }
std::vector<float> AudioFile::read(std::int64_t, std::int64_t, std::size_t) { return {}; }

}  // namespace mt

#endif
