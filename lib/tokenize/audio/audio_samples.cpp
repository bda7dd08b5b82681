#include "tokenize/audio/audio_samples.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "decode/audio_file.h"
#include "tokenize/audio/resample.h"
#include "tokenize/audio/spectrogram.h"

namespace mt {

namespace {

constexpr double kMostSeconds = 3600;  // of one sample
constexpr double kMargin = 0.1;        // seconds behind a cut, so that the resampler's edge does not lie within

struct Sound {
  std::vector<float> samples;
  std::size_t rate_hz;
  bool cut;  // the segment goes on
};

// The samples of a segment, no more than `most` seconds of them. A length of nothing is the file's own.
Sound read_sound(const MediaSegment& segment, std::size_t channel, std::optional<double> most) {
  AudioFile file(segment.path);
  const auto rate = static_cast<double>(file.sample_rate_hz());
  const double begin = std::round(segment.start * rate), all = static_cast<double>(file.frames());
  if (begin > 0 && begin >= all) {
    throw Error(segment.path.string(),
                fmt::format("starts at {} s, but the recording ends after {} s", segment.start, all / rate));
  }
  double count = all - begin;
  if (segment.duration) count = std::min(count, std::round(*segment.duration * rate));
  if (!most && count > kMostSeconds * rate) {
    throw Error(segment.path.string(), fmt::format("would be one sample of {:.0f} s", count / rate),
                "--window SECONDS makes several of it, --length FRAMES cuts it");
  }
  const bool cut = most && count > std::ceil((*most + kMargin) * rate);
  if (cut) count = std::ceil((*most + kMargin) * rate);
  return {file.read(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(count), channel), file.sample_rate_hz(),
          cut};
}

Digest digest_of_samples(const std::vector<float>& samples) { return sha256(std::as_bytes(std::span(samples))); }

}  // namespace

LogMel read_log_mel(const MediaSegment& segment, const Filterbank& filterbank, const AudioSettings& settings) {
  const auto rate = static_cast<double>(settings.rate_hz);
  std::optional<double> most;
  if (settings.frames) most = static_cast<double>(filterbank.samples(*settings.frames)) / rate;
  Sound sound = read_sound(segment, settings.channel, most);

  LogMel result;
  result.digest = segment.whole() ? sha256_file(segment.path) : digest_of_samples(sound.samples);
  const std::vector<float> signal =
      resampled(std::move(sound.samples), sound.rate_hz, settings.rate_hz, segment.path.string());
  std::size_t frames = filterbank.frames(signal.size());
  if (frames == 0) {
    throw Error(segment.path.string(), fmt::format("has {} samples at {} Hz, a frame takes {}", signal.size(),
                                                   settings.rate_hz, filterbank.frame_samples()));
  }
  result.cut = sound.cut || (settings.frames && frames > *settings.frames);
  if (settings.frames) frames = std::min(frames, *settings.frames);
  result.frames = Tensor(DType::f32, {frames, filterbank.bins()});
  filterbank.compute(std::span(signal).first(filterbank.samples(frames)), result.frames.as<float>());
  return result;
}

AudioNormalization fit_audio_normalization(const MediaSource& source, const AudioSettings& settings,
                                           std::size_t threads) {
  struct Sum {
    double values = 0, sum = 0, squares = 0;
  };
  const Filterbank filterbank(settings.filterbank);
  std::vector<Sum> sums(source.size());
  ThreadPool pool(threads);
  pool.parallel_for(sums.size(), [&](std::size_t i, std::size_t) {
    throw_if_interrupted();
    try {
      const LogMel log_mel = read_log_mel(source.segment(i), filterbank, settings);
      for (const float value : log_mel.frames.as<float>()) {
        sums[i].sum += value;
        sums[i].squares += static_cast<double>(value) * value;
      }
      sums[i].values = static_cast<double>(log_mel.frames.size());
    } catch (const Error&) {  // will be rejected when its turn comes
    }
  });
  Sum total;  // in the order of the list
  for (const Sum& sum : sums) {
    total.values += sum.values;
    total.sum += sum.sum;
    total.squares += sum.squares;
  }
  if (total.values == 0) throw Error("--fit", "none of the inputs can be read");
  const double mean = total.sum / total.values;
  const double variance = total.squares / total.values - mean * mean;
  if (!(variance > 1e-9)) {
    throw Error("--fit", fmt::format("all log-mel values of the inputs are {:.4f}: is there sound in them?", mean));
  }
  return {mean, std::sqrt(variance)};
}

AudioSamples::AudioSamples(const MediaSource& source, const AudioSettings& settings, bool frames)
    : source_(source), settings_(settings), frames_(frames), filterbank_(settings.filterbank) {}

std::size_t AudioSamples::rows_per_sample() const {
  const std::size_t frames = settings_.frames.value_or(1024);
  const SpectrogramSize grid = settings_.grid(frames);
  return frames_ ? frames : grid.bins * grid.frames;
}

Schema AudioSamples::schema() const {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "audio";
  schema.width = columns();
  schema.has_centers = schema.has_grid = true;
  schema.has_labels = source_.has_labels();
  schema.label_names = source_.label_names();
  schema.positions = schema.pre_norm = false;
  schema.config = audio_config(settings_);
  if (frames_) {
    for (const char* name : {"patch", "stride"}) schema.config.erase(name);
    schema.config["rows"] = "frames";
  }
  return schema;
}

Digest AudioSamples::digest(std::size_t i) const {
  const MediaSegment segment = source_.segment(i);
  return segment.whole() ? sha256_file(segment.path) : read_log_mel(segment, filterbank_, settings_).digest;
}

Batch AudioSamples::empty_batch() const {
  Batch batch;
  batch.rows = Tensor(DType::f32, {0, columns()});
  batch.centers = Tensor(DType::f32, {0, 3});
  batch.grid = Tensor(DType::i32, {0, 3});
  return batch;
}

Digest AudioSamples::make(std::size_t i, Batch& batch) const {
  const MediaSegment segment = source_.segment(i);
  const LogMel log_mel = read_log_mel(segment, filterbank_, settings_);
  if (log_mel.cut) ++cut_;
  const std::size_t least = frames_ ? 1 : settings_.patch.frames;
  const Tensor spectrogram =
      normalised_frames(log_mel.frames, settings_, settings_.frames.value_or(std::max(log_mel.frames.rows(), least)));
  const Tensor rows = frames_ ? spectrogram : cut_spectrogram(spectrogram, settings_);
  const std::size_t before = batch.rows.rows();
  batch.rows.resize_rows(before + rows.rows());
  std::ranges::copy(rows.as<float>(), batch.rows.as<float>().begin() + static_cast<std::ptrdiff_t>(before * columns()));
  append_places(segment.start, spectrogram.rows(), batch);
  return log_mel.digest;
}

// Grid, and of each row the middle: seconds from the start of the recording, and Hz of a patch's middle bin.
void AudioSamples::append_places(double start, std::size_t count, Batch& batch) const {
  const SpectrogramSize grid = frames_ ? SpectrogramSize{1, count} : settings_.grid(count);
  const std::size_t sample = batch.grid.rows();
  batch.grid.resize_rows(sample + 1);
  const auto shape = batch.grid.row<std::int32_t>(sample);
  shape[0] = frames_ ? static_cast<std::int32_t>(count) : 1;
  shape[1] = frames_ ? 1 : static_cast<std::int32_t>(grid.bins);
  shape[2] = frames_ ? 1 : static_cast<std::int32_t>(grid.frames);

  const std::size_t before = batch.centers.rows();
  batch.centers.resize_rows(before + grid.bins * grid.frames);
  const auto rate = static_cast<double>(settings_.rate_hz), shift = static_cast<double>(filterbank_.shift_samples());
  for (std::size_t row = 0; row < grid.bins; ++row) {
    for (std::size_t column = 0; column < grid.frames; ++column) {
      const double frame = frames_ ? static_cast<double>(column)
                                   : static_cast<double>(column * settings_.stride.frames) +
                                         static_cast<double>(settings_.patch.frames - 1) / 2;
      const auto center = batch.centers.row<float>(before + row * grid.frames + column);
      center[0] =
          static_cast<float>(start + (frame * shift + static_cast<double>(filterbank_.frame_samples()) / 2) / rate);
      if (frames_) continue;
      const std::size_t bin = row * settings_.stride.bins + settings_.patch.bins / 2;
      center[1] = static_cast<float>(filterbank_.center_hz(bin));
    }
  }
}

}  // namespace mt
