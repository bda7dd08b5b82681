// The filterbank against torchaudio and kaldi-native-fbank, patches against PyTorch, recordings through libsndfile.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "decode/audio_file.h"
#include "kernels/isas.h"
#include "support/goldens.h"
#include "support/temporary_directory.h"
#include "tokenize/audio/audio_samples.h"
#include "tokenize/audio/audio_settings.h"
#include "tokenize/audio/filterbank.h"
#include "tokenize/audio/resample.h"
#include "tokenize/audio/spectrogram.h"

using namespace mt;

namespace {

// The signal of tests/reference/make_audio_goldens.py.
std::vector<float> golden_signal(std::size_t samples, double rate) {
  std::uint32_t state = 12345;
  std::vector<float> signal;
  for (std::size_t i = 0; i < samples; ++i) {
    const double t = static_cast<double>(i) / rate, turn = 2 * std::numbers::pi * t;
    state = 1664525U * state + 1013904223U;
    const double tones = 0.3 * t * std::sin(440 * turn) + 0.4 * std::exp(-3 * t) * std::sin(1234.5 * turn);
    signal.push_back(static_cast<float>(tones + 0.01 * (state / 2147483648.0 - 1) + 0.05));
  }
  return signal;
}

FilterbankOptions options_of(const nlohmann::json& family) {
  FilterbankOptions options;
  options.sample_rate_hz = family["rate"];
  options.bins = family["bins"];
  options.window = window_shape_named(family["window"].get<std::string>());
  options.low_hz = family["low"];
  options.high_hz = family["high"];
  return options;
}

double worst_difference(const std::vector<float>& values, std::size_t bins, const nlohmann::json& samples) {
  double worst = 0;
  for (const auto& sample : samples) {
    const double value = values[sample[0].get<std::size_t>() * bins + sample[1].get<std::size_t>()];
    worst = std::max(worst, std::abs(value - sample[2].get<double>()));
  }
  return worst;
}

// A WAV of 16-bit samples.
std::string wav_of(const std::vector<std::int16_t>& samples, std::uint32_t rate, std::uint16_t channels,
                   std::uint32_t declared_bytes) {
  std::string file = "RIFF";
  const auto put = [&](auto value) { file.append(reinterpret_cast<const char*>(&value), sizeof value); };
  put(std::uint32_t{36} + declared_bytes);
  file += "WAVEfmt ";
  put(std::uint32_t{16});
  put(std::uint16_t{1});
  put(channels);
  put(rate);
  put(rate * channels * 2);
  put(static_cast<std::uint16_t>(channels * 2));
  put(std::uint16_t{16});
  file += "data";
  put(declared_bytes);
  file.append(reinterpret_cast<const char*>(samples.data()), samples.size() * 2);
  return file;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

AudioSettings short_settings() {
  AudioSettings settings;
  settings.frames = 128;
  return settings;
}

}  // namespace

TEST_CASE("filterbank: agrees with torchaudio and kaldi-native-fbank within 60 dB of the frame's maximum") {
  const nlohmann::json families = test::golden("audio")["fbank"];
  for (const auto& [name, family] : families.items()) {
    CAPTURE(name);
    const Filterbank filterbank(options_of(family));
    const auto signal = golden_signal(family["rate"], family["rate"]);
    REQUIRE(filterbank.frames(signal.size()) == family["frames"].get<std::size_t>());
    std::vector<float> values(family["frames"].get<std::size_t>() * filterbank.bins());
    filterbank.compute(signal, values);
    // The file has five decimals of a computation in double precision; ours ends in float32.
    CHECK(worst_difference(values, filterbank.bins(), family["torchaudio"]) < 1e-5);
    // It computes in float32, whose rounding shows 60 dB below the maximum.
    if (family.contains("native")) CHECK(worst_difference(values, filterbank.bins(), family["native"]) < 1e-3);
  }
}

TEST_CASE("filterbank: one second at 16 kHz is 98 frames, and less than a frame none") {
  const Filterbank filterbank({});
  CHECK(filterbank.frames(16000) == 98);
  CHECK(filterbank.frames(400) == 1);
  CHECK(filterbank.frames(399) == 0);
  CHECK(filterbank.samples(98) == 97 * 160 + 400);
}

TEST_CASE("filterbank: a frame's bytes depend on its own samples alone") {
  const auto signal = golden_signal(8000, 16000);
  const Filterbank filterbank({});
  std::vector<float> all(filterbank.frames(signal.size()) * filterbank.bins()), one(filterbank.bins());
  filterbank.compute(signal, all);
  for (std::size_t frame = 0; frame < filterbank.frames(signal.size()); ++frame) {
    filterbank.compute(std::span(signal).subspan(frame * filterbank.shift_samples(), filterbank.frame_samples()), one);
    REQUIRE(std::memcmp(one.data(), all.data() + frame * one.size(), one.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("filterbank: every instruction set gives the same bytes") {
  const auto signal = golden_signal(5000, 16000);
  const Filterbank filterbank({});
  std::vector<float> first(filterbank.frames(signal.size()) * filterbank.bins()), other(first.size());
  filterbank.compute(signal, first, kernels_of(Isa::generic));
  for (const Kernels* kernels : test::kernels_of_machine()) {
    CAPTURE(name_of(kernels->isa));
    filterbank.compute(signal, other, *kernels);
    CHECK(std::memcmp(first.data(), other.data(), first.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("filterbank: silence is the floor's logarithm, and odd transform sizes work") {
  for (const double length_ms : {0.25, 1.0, 3.0, 25.0, 50.0}) {
    FilterbankOptions options;
    options.frame_length_ms = length_ms;
    options.bins = 2;
    const Filterbank filterbank(options);
    std::vector<float> signal(filterbank.frame_samples(), 0.0F), out(2);
    filterbank.compute(signal, out);
    CHECK(out[0] == doctest::Approx(std::log(1.1920928955078125e-7)));
  }
  FilterbankOptions nonsense;
  nonsense.low_hz = 9000;
  CHECK_THROWS_AS(Filterbank{nonsense}, UsageError);
  nonsense = {};
  nonsense.frame_shift_ms = 0;
  CHECK_THROWS_AS(Filterbank{nonsense}, UsageError);
}

TEST_CASE("spectrogram patches: meet a kernel in PyTorch's order, frequency-major") {
  const auto golden = test::golden("audio")["patches"];
  AudioSettings settings;
  settings.filterbank.bins = golden["bins"];
  Tensor spectrogram(DType::f32, {golden["frames"].get<std::size_t>(), settings.filterbank.bins});
  for (std::size_t f = 0; f < spectrogram.rows(); ++f) {
    for (std::size_t b = 0; b < spectrogram.columns(); ++b)
      spectrogram.row<float>(f)[b] = 0.01F * static_cast<float>((7 * f + 3 * b) % 101);
  }
  const Tensor patches = cut_spectrogram(spectrogram, settings);
  const std::size_t rows = golden["grid"][0].get<std::size_t>() * golden["grid"][1].get<std::size_t>();
  REQUIRE(patches.rows() == rows);
  for (std::size_t unit = 0; unit < 2; ++unit) {
    for (std::size_t row = 0; row < rows; ++row) {
      double sum = 0;
      for (std::size_t i = 0; i < 16; ++i) {
        for (std::size_t j = 0; j < 16; ++j)
          sum += 0.001 * static_cast<double>((5 * i + 11 * j + 17 * unit) % 97) * patches.row<float>(row)[i * 16 + j];
      }
      CHECK(sum == doctest::Approx(golden["tokens"][unit * rows + row].get<double>()).epsilon(1e-4));
    }
  }
}

TEST_CASE("audio settings: 1212 patches of ten seconds, 144 of one, 400 of the original's quirk") {
  AudioSettings settings;
  CHECK(settings.grid(1024) == SpectrogramSize{12, 101});
  CHECK(settings.grid(128) == SpectrogramSize{12, 12});
  CHECK(settings.grid(7) == SpectrogramSize{12, 1});  // padded to one patch
  settings.filterbank.bins = 224;
  settings.patch = {32, 32};
  CHECK(settings.grid(224) == SpectrogramSize{20, 20});
}

TEST_CASE("audio settings: what a model states is what it was made with") {
  AudioSettings settings;
  settings.rate_hz = 8000;
  settings.frames.reset();
  settings.filterbank.sample_rate_hz = 8000;
  settings.filterbank.window = WindowShape::povey;
  settings.mean = -3.25;
  settings.std = 2;
  settings.stride = {8, 4};
  CHECK(audio_config(audio_settings_of(audio_config(settings))) == audio_config(settings));
  for (const char* name : {"bins", "std", "patch", "window", "sample_rate_hz"}) {
    nlohmann::json broken = audio_config(settings);
    broken[name] = -1;
    CHECK_THROWS_AS(audio_settings_of(broken), Error);
  }
  CHECK(audio_normalization_named("audioset")->mean == doctest::Approx(-4.2677393));
  CHECK(!audio_normalization_named("audio-set"));
}

TEST_CASE("normalised frames: (x - mean) / (2 std), then zeros, or cut at the end") {
  AudioSettings settings;
  settings.mean = -4;
  settings.std = 2;
  const Tensor log_mel = Tensor::of<float>({2, 2}, {0.0F, -4.0F, 4.0F, -8.0F});
  CHECK(normalised_frames(log_mel, settings, 3).as<float>()[0] == 1.0F);
  CHECK(normalised_frames(log_mel, settings, 3).as<float>()[3] == -1.0F);
  CHECK(normalised_frames(log_mel, settings, 3).as<float>()[5] == 0.0F);
  CHECK(normalised_frames(log_mel, settings, 1).size() == 2);
}

TEST_CASE("audio file: channels are mixed or chosen, and full scale is one") {
  const std::string wav = wav_of({16384, -16384, 0, 8192, -32768, 0}, 8000, 2, 12);
  AudioFile file(bytes_of(wav), "stereo.wav");
  CHECK(file.sample_rate_hz() == 8000);
  CHECK(file.channels() == 2);
  CHECK(file.frames() == 3);
  CHECK(file.read(0, 9, 0) == std::vector<float>{0.0F, 0.125F, -0.5F});
  CHECK(file.read(1, 2, 2) == std::vector<float>{0.25F, 0.0F});
  CHECK_THROWS_WITH_AS(file.read(0, 1, 3), doctest::Contains("has 2 channels"), Error);
}

TEST_CASE("audio file: a WAV that is cut is refused at every length, one of unknown length is read to its end") {
  const std::vector<std::int16_t> samples(50, 1000);
  const std::string whole = wav_of(samples, 8000, 1, 100);
  for (std::size_t length = 0; length < whole.size(); ++length)
    CHECK_THROWS_AS(AudioFile(bytes_of(whole).first(length), "cut.wav"), Error);
  const std::string streamed = wav_of(samples, 8000, 1, 0xffffffffU - 36);
  AudioFile file(bytes_of(streamed), "streamed.wav");
  CHECK(file.read(0, std::int64_t{1} << 40, 0).size() == 50);
  CHECK_THROWS_WITH_AS(AudioFile(bytes_of("noise, but no sound"), "noise"), doctest::Contains("is no recording"),
                       Error);
}

TEST_CASE("audio file: NaN is refused by its place") {
  std::string wav = wav_of({0, 0, 0, 0}, 8000, 1, 8);
  wav[20] = 3;  // 32-bit float
  wav[34] = 32;
  wav[32] = 4;
  const float bad[2] = {0.5F, std::nanf("")};
  std::memcpy(wav.data() + 44, bad, 8);
  AudioFile file(bytes_of(wav), "nan.wav");
  CHECK_THROWS_WITH_AS(file.read(0, 2, 0), doctest::Contains("sample 1 is nan"), Error);
}

TEST_CASE("resampling: a tone keeps its frequency and its height") {
  std::vector<float> tone;
  for (std::size_t i = 0; i < 8000; ++i)
    tone.push_back(static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * 440 * static_cast<double>(i) / 8000)));
  const std::vector<float> fast = resampled(tone, 8000, 16000, "tone");
  REQUIRE(fast.size() == 16000);
  double worst = 0;
  for (std::size_t i = 2000; i < 14000; ++i) {
    const double expected = 0.5 * std::sin(2 * std::numbers::pi * 440 * static_cast<double>(i) / 16000);
    worst = std::max(worst, std::abs(fast[i] - expected));
  }
  CHECK(worst < 1e-4);  // 20 bits
  CHECK(resampled(tone, 8000, 8000, "tone") == tone);
}

TEST_CASE("audio samples: windows of a long recording equal the recording's own frames") {
  const test::TemporaryDirectory directory;
  std::vector<std::int16_t> samples;
  for (const float value : golden_signal(16000 * 3, 16000)) samples.push_back(static_cast<std::int16_t>(value * 20000));
  std::ofstream(directory.path() / "long.wav", std::ios::binary)
      << wav_of(samples, 16000, 1, static_cast<std::uint32_t>(samples.size() * 2));
  MediaSourceOptions options;
  options.inputs = {(directory.path() / "long.wav").string()};
  options.window = options.hop = 1.0;
  const MediaSource source(options, [](const std::filesystem::path& path) {
    const AudioFile file(path);
    return static_cast<double>(file.frames()) / static_cast<double>(file.sample_rate_hz());
  });
  REQUIRE(source.size() == 3);
  CHECK(source.id(2) == "long.wav#2");

  const AudioSettings settings = short_settings();
  const AudioSamples maker(source, settings, false);
  Batch batch = maker.empty_batch();
  CHECK(maker.make(2, batch) == maker.digest(2));
  CHECK(batch.rows.rows() == 144);
  CHECK(batch.grid.row<std::int32_t>(0)[1] == 12);
  CHECK(batch.centers.row<float>(0)[0] == doctest::Approx(2.0875));  // window 2, frame 7.5, half a frame on
  const Filterbank filterbank(settings.filterbank);
  const LogMel window = read_log_mel(source.segment(2), filterbank, settings);
  CHECK(window.frames.rows() == 98);
  AudioFile file(directory.path() / "long.wav");
  std::vector<float> expected(98 * 128);
  filterbank.compute(file.read(32000, 16000, 0), expected);
  CHECK(std::ranges::equal(window.frames.as<float>(), expected));
}

TEST_CASE("audio samples: too short, too long and behind the end are rejected with a reason") {
  const test::TemporaryDirectory directory;
  const auto write = [&](const char* name, std::size_t samples, std::uint32_t rate) {
    std::ofstream(directory.path() / name, std::ios::binary)
        << wav_of(std::vector<std::int16_t>(samples, 5), rate, 1, static_cast<std::uint32_t>(samples * 2));
    return directory.path() / name;
  };
  const AudioSettings settings = short_settings();
  const Filterbank filterbank(settings.filterbank);
  const auto brief = write("brief.wav", 399, 16000);
  CHECK_THROWS_WITH_AS(read_log_mel({brief, 0, {}}, filterbank, settings), doctest::Contains("a frame takes 400"),
                       Error);
  CHECK_THROWS_WITH_AS(read_log_mel({brief, 12, {}}, filterbank, settings), doctest::Contains("starts at 12 s"), Error);
  AudioSettings open = settings;
  open.frames.reset();
  const auto slow = write("slow.wav", 100 * 3601, 100);
  CHECK_THROWS_WITH_AS(read_log_mel({slow, 0, {}}, filterbank, open), doctest::Contains("one sample of 3601 s"), Error);
  CHECK(read_log_mel({slow, 0, {}}, filterbank, settings).cut);
}
