// mt-tokenize audio: options and wiring.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/threads.h"
#include "cli/progress_bar.h"
#include "decode/audio_file.h"
#include "encoder/model_source.h"
#include "tokenize/audio/audio_samples.h"
#include "tokenize/media.h"
#include "tokenize/modality.h"
#include "tokenize/sequences.h"

namespace mt::tokenize {

namespace {

struct AudioOptions {
  MediaOptions media;
  SequenceOptions sequences;
  std::optional<std::size_t> rate, bins;
  std::optional<double> frame_length, frame_shift, low, high, preemphasis;
  std::string channel, window_shape, normalize, length, patch, stride;
  bool frames = false;
};

std::size_t count_named(const std::string& option, std::string_view text, std::size_t most, const std::string& what) {
  const auto number = parse_int(text);
  if (!number || *number < 1 || *number > static_cast<std::int64_t>(most))
    throw UsageError(option, fmt::format("\"{}\" is not {}", text, what));
  return static_cast<std::size_t>(*number);
}

// "16", or bins x frames: "16x16".
SpectrogramSize size_named(const std::string& option, const std::string& text) {
  const auto parts = split(text, 'x');
  const std::string what = "a side or BINSxFRAMES, each from 1 to 4096";
  if (parts.size() > 2) throw UsageError(option, fmt::format("\"{}\" is not {}", text, what));
  const std::size_t bins = count_named(option, parts[0], 4096, what);
  return {bins, parts.size() == 2 ? count_named(option, parts[1], 4096, what) : bins};
}

AudioNormalization normalization_named(const std::string& text) {
  if (const auto preset = audio_normalization_named(text)) return *preset;
  const auto parts = split(text, ',');
  const auto mean = parse_double(parts[0]), std = parts.size() == 2 ? parse_double(parts[1]) : std::nullopt;
  if (mean && std && std::abs(*mean) < 1e6 && *std > 1e-6 && *std < 1e6) return {*mean, *std};
  throw UsageError("--normalize", fmt::format("\"{}\" is neither a preset nor MEAN,STD", text),
                   "audioset, speech-commands, esc-50, none, fit, or two numbers");
}

// What the command line asks for, upon settings that stand where it says nothing.
void apply(const AudioOptions& options, AudioSettings& settings) {
  FilterbankOptions& filterbank = settings.filterbank;
  const auto take = [](const auto& option, auto& value) {
    if (option) value = *option;
  };
  take(options.rate, settings.rate_hz);
  filterbank.sample_rate_hz = static_cast<double>(settings.rate_hz);
  take(options.bins, filterbank.bins);
  take(options.frame_length, filterbank.frame_length_ms);
  take(options.frame_shift, filterbank.frame_shift_ms);
  take(options.low, filterbank.low_hz);
  take(options.high, filterbank.high_hz);
  take(options.preemphasis, filterbank.preemphasis);
  if (!options.window_shape.empty()) filterbank.window = window_shape_named(options.window_shape);
  if (!options.patch.empty()) settings.patch = size_named("--patch", options.patch);
  if (!options.stride.empty()) settings.stride = size_named("--stride", options.stride);
  if (!options.normalize.empty() && options.normalize != "fit") {
    const AudioNormalization normalization = normalization_named(options.normalize);
    settings.mean = normalization.mean;
    settings.std = normalization.std;
  }
  if (options.channel == "mix")
    settings.channel = 0;
  else if (!options.channel.empty())
    settings.channel = count_named("--channel", options.channel, 1024, "mix or a channel's number from 1");
  if (options.length == "ragged")
    settings.frames.reset();
  else if (!options.length.empty())
    settings.frames = count_named("--length", options.length, 1'000'000, "a number of frames or ragged");
}

AudioSettings new_settings(const AudioOptions& options) {
  AudioSettings settings;
  apply(options, settings);
  const Filterbank filterbank(settings.filterbank);  // throws for what makes no sense
  if (options.length.empty() && options.frames) settings.frames.reset();
  if (const double window = options.media.source.window; options.length.empty() && window > 0) {
    const auto samples = static_cast<std::size_t>(std::lround(window * static_cast<double>(settings.rate_hz)));
    settings.frames = std::max<std::size_t>(filterbank.frames(samples), 1);
  }
  if (!options.frames) require_patches_fit(settings);
  return settings;
}

// A model's settings; what the command line says about them must agree. Length and channel are the input's own.
AudioSettings settings_of_model(const Part& part, const AudioOptions& options) {
  const AudioSettings stated = audio_settings_of(part.config);
  AudioSettings settings = stated;
  apply(options, settings);
  nlohmann::json ours = audio_config(settings);
  const nlohmann::json theirs = audio_config(stated);
  for (const char* free : {"channel", "frames"}) ours[free] = theirs[free];
  for (const auto& [name, value] : theirs.items()) {
    if (ours[name] != value) {
      throw UsageError("--model", fmt::format("its audio tokenizer has {} {}, {} was asked for", name, value.dump(),
                                              ours[name].dump()));
    }
  }
  require_patches_fit(settings);
  return settings;
}

double duration_of(const std::filesystem::path& path) {
  const AudioFile file(path);
  return static_cast<double>(file.frames()) / static_cast<double>(file.sample_rate_hz());
}

// A --model without an audio tokenizer may have one for pictures, which is a better start than noise.
void adopt_pictures(Part& part, const AudioOptions& options, Progress& progress) {
  if (options.sequences.session.models.empty()) return;
  ModelOverrides overrides;
  overrides.seed = options.sequences.session.common.seed;
  const Model model = load_models(options.sequences.session.models, overrides, progress);
  if (!model.has("tokenizer/image") || !adopt_image_tokenizer(part, model.part("tokenizer/image"))) return;
  progress.note(
      fmt::format("kernel, class token and positions start as those of the image tokenizer of {}", model.source));
}

cli::Outcome tokenize_audio(AudioOptions options) {
  SequenceOptions& sequences = options.sequences;
  check(sequences);
  check(options.media);
  const bool fits = options.normalize == "fit" || (options.normalize.empty() && !options.frames);
  if (fits && sequences.fit.empty() && sequences.session.models.empty()) {
    throw UsageError("--normalize", "log-mel values need a scale",
                     "--fit FILE on training data, --model FILE that was fitted, or audioset, speech-commands, esc-50");
  }
  if (options.frames) {
    sequences.patches = true;
    if (options.normalize.empty() && !fits && sequences.session.models.empty()) options.normalize = "none";
  }
  AudioSettings settings = new_settings(options);

  cli::ProgressBar progress("mt-tokenize", "tokenize", sequences.session.common);
  options.media.source.extensions = audio_extensions();
  const MediaSource source(options.media.source, duration_of);
  TokenizerRecipe recipe;
  recipe.modality = "audio";
  recipe.fitted = fits;
  recipe.make = [&] {
    if (fits) {
      const AudioNormalization fitted =
          fit_audio_normalization(source, settings, thread_count(sequences.session.common.threads));
      settings.mean = fitted.mean;
      settings.std = fitted.std;
    }
    Part part;
    part.config = audio_config(settings);
    return part;
  };
  recipe.initialise = [&](Part& part, std::size_t width, std::uint64_t seed) {
    initialise_audio_embedding(part, width, seed);
    adopt_pictures(part, options, progress);
  };
  const Tokenizer tokenizer = choose_tokenizer(recipe, sequences, progress);
  if (tokenizer.from_model) settings = settings_of_model(tokenizer.part, options);

  const AudioSamples samples(source, settings, options.frames);
  const cli::Outcome outcome = run_sequences(samples, samples.schema(), tokenizer, samples.rows_per_sample(),
                                             files_of(options.media), sequences, progress);
  if (samples.cut() > 0) {
    progress.note(fmt::format("{} recordings went on behind {} frames (--length) and were cut", samples.cut(),
                              settings.frames.value_or(0)));
  }
  return outcome;
}

void add_audio_options(CLI::App& app, AudioOptions& options) {
  add_media_options(app, options.media, "Recordings");
  add_sequence_options(app, options.sequences);
  const auto sound = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Sound");
  };
  sound("--channel", options.channel, "mix|N", "The mean of all channels, or the one of this number, from 1 [mix]");
  sound("--rate", options.rate, "HZ", "Sampling rate to which recordings are brought [16000]")
      ->check(CLI::Range(std::size_t{100}, std::size_t{1'000'000}));
  sound("--bins", options.bins, "N", "Mel bins [128]")->check(CLI::Range(std::size_t{1}, std::size_t{4096}));
  sound("--frame-length", options.frame_length, "MS", "Length of a frame in milliseconds [25]");
  sound("--frame-shift", options.frame_shift, "MS", "From one frame to the next [10]");
  sound("--window-shape", options.window_shape, "NAME", "hanning, hamming, povey, blackman or rectangular [hanning]");
  sound("--low-frequency", options.low, "HZ", "Lower edge of the lowest bin [20]");
  sound("--high-frequency", options.high, "HZ",
        "Upper edge of the highest bin; from the Nyquist frequency if <= 0 [0]");
  sound("--preemphasis", options.preemphasis, "X", "How much of the sample before is taken away [0.97]")
      ->check(CLI::Range(0.0, 1.0));
  sound("--normalize", options.normalize, "SCALE",
        "audioset, speech-commands, esc-50, none, MEAN,STD, or fit [fit, as --fit and --model do]");
  sound("--length", options.length, "N|ragged", "Frames of a sample: cut, or filled up [1024, or those of --window]");
  sound("--patch", options.patch, "N|BxF", "Bins and frames of a patch [16x16]");
  sound("--stride", options.stride, "N|BxF", "From one patch to the next [10x10]");
  app.add_flag("--frames", options.frames, "Write the log-mel frames, one a row, instead of patches")->group("Sound");
  add_run_options(app, options.sequences.session);
}

}  // namespace

Modality audio_modality() {
  return {"audio",
          "WAV, FLAC, Ogg, Opus, MP3, AIFF; whole, by a manifest with offsets, or in windows",
          {"mt-tokenize",
           "audio [options] INPUT... -o TOKENS",
           "Turn recordings into tokens: resampled, log-mel filterbank as Kaldi's, overlapping patches.",
           {"mt-tokenize audio train/ --labels directory --model random:tiny --fit audio.h5 -o train.tokens.h5",
            "mt-tokenize audio test/ --labels directory --model audio.h5 -o test.tokens.h5",
            "mt-tokenize audio lecture.flac --window 10 --normalize audioset --patches -o lecture.patches.h5"},
           {"mt-tokenize(1)", "mt-encode(1)", "mt-train-head(1)", "mt-cat(1)"}},
          [](CLI::App& app) -> cli::Action {
            const auto options = std::make_shared<AudioOptions>();
            add_audio_options(app, *options);
            return [options] { return tokenize_audio(*options); };
          }};
}

}  // namespace mt::tokenize
