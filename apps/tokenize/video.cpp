// mt-tokenize video: options and wiring.
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/progress_bar.h"
#include "decode/video_stream.h"
#include "encoder/model_source.h"
#include "tokenize/media.h"
#include "tokenize/modality.h"
#include "tokenize/picture_constants.h"
#include "tokenize/sequences.h"
#include "tokenize/video/video_samples.h"

namespace mt::tokenize {

namespace {

struct VideoOptions {
  MediaOptions media;
  SequenceOptions sequences;
  std::optional<std::size_t> frames, stride, tubelet, patch;
  std::string size, resize, filter, mean, std, positions = "learned";
  bool salvage = false, no_rotation = false;
};

// What the command line asks for, upon settings that stand where it says nothing.
void apply(const VideoOptions& options, VideoSettings& settings) {
  const auto take = [](const auto& option, auto& value) {
    if (option) value = *option;
  };
  take(options.frames, settings.frames);
  take(options.stride, settings.stride);
  take(options.tubelet, settings.tubelet);
  take(options.patch, settings.patch);
  if (!options.size.empty()) settings.preparation.size = size_named(options.size);
  if (!options.resize.empty()) settings.preparation.mode = resize_mode_named(options.resize);
  if (!options.filter.empty()) settings.preparation.filter = filter_named(options.filter);
  if (!options.mean.empty()) settings.normalization.mean = constants_named("--mean", options.mean, false, 3);
  if (!options.std.empty()) settings.normalization.std = constants_named("--std", options.std, true, 3);
  if (options.no_rotation) settings.preparation.upright = false;
}

// The image tokenizer of a --model, which is a better start than noise; none where there is none.
std::optional<Part> image_tokenizer_of(const VideoOptions& options, Progress& progress) {
  if (options.sequences.session.models.empty()) return std::nullopt;
  ModelOverrides overrides;
  overrides.seed = options.sequences.session.common.seed;
  const Model model = load_models(options.sequences.session.models, overrides, progress);
  if (!model.has("tokenizer/image")) return std::nullopt;
  return model.part("tokenizer/image");
}

// The image tokenizer's patches and constants, where the command line says nothing else.
VideoSettings new_settings(const VideoOptions& options, const std::optional<Part>& image) {
  VideoSettings settings;
  settings.normalization = kClip;
  if (image) {
    const ImageModel shape = image_model_of(*image);
    settings.patch = shape.patch;
    if (shape.size != Size{}) settings.preparation.size = shape.size;
    if (shape.normalization && shape.channels == 3) settings.normalization = *shape.normalization;
  }
  apply(options, settings);
  require_whole_tubelets(settings);
  return settings;
}

// A model's settings; what the command line says about them must agree.
VideoSettings settings_of_model(const Part& part, const VideoOptions& options) {
  const VideoSettings stated = video_settings_of(part.config);
  VideoSettings settings = stated;
  apply(options, settings);
  nlohmann::json ours = video_config(settings);
  const nlohmann::json theirs = video_config(stated);
  // How frames are found and placed is the input's own; what the embedding has learned is not.
  for (const char* free : {"frames", "stride", "resize", "filter", "upright", "size"}) ours[free] = theirs[free];
  for (const auto& [name, value] : theirs.items()) {
    if (ours[name] != value) {
      throw UsageError("--model", fmt::format("its video tokenizer has {} {}, {} was asked for", name, value.dump(),
                                              ours[name].dump()));
    }
  }
  require_whole_tubelets(settings);
  return settings;
}

cli::Outcome tokenize_video(VideoOptions options) {
  SequenceOptions& sequences = options.sequences;
  check(sequences);
  check(options.media);
  cli::ProgressBar progress("mt-tokenize", "tokenize", sequences.session.common);
  const std::optional<Part> image = image_tokenizer_of(options, progress);
  VideoSettings settings = new_settings(options, image);
  const VideoPositions positions = options.positions == "sinusoid" ? VideoPositions::sinusoid : VideoPositions::learned;
  TokenizerRecipe recipe;
  recipe.modality = "video";
  recipe.make = [&] {
    Part part;
    part.config = video_config(settings);
    return part;
  };
  recipe.initialise = [&](Part& part, std::size_t width, std::uint64_t seed) {
    initialise_video_embedding(part, width, positions, seed);
    if (image && inflate_image_tokenizer(part, *image, positions))
      progress.note("kernel, class token and positions start as those of the model's image tokenizer");
  };
  const Tokenizer tokenizer = choose_tokenizer(recipe, sequences, progress);
  if (tokenizer.from_model) settings = settings_of_model(tokenizer.part, options);

  options.media.source.extensions = video_extensions();
  options.media.source.frame_extensions = frame_extensions();
  const VideoStream stream = take_video_stream(options.media.source);
  VideoLimits limits;
  limits.salvage = options.salvage;
  const MediaSource source(options.media.source, [&](const std::filesystem::path& path) {
    return open_video(path, limits)->times()->duration;
  });
  const VideoSamples samples(source, settings, limits);
  return run_sequences(samples, samples.schema(), tokenizer, settings.tokens(), files_of(options.media), sequences,
                       progress);
}

void add_video_options(CLI::App& app, VideoOptions& options) {
  add_media_options(app, options.media, "Videos, directories of frames");
  add_sequence_options(app, options.sequences);
  const auto model = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Model");
  };
  model("--patch", options.patch, "N", "Side of a tubelet where the model does not say [16]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}));
  model("--tubelet", options.tubelet, "N", "Frames of a tubelet [2]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}));
  model("--positions", options.positions, "KIND", "learned, or sinusoid: fixed, without class token")
      ->check(CLI::IsMember({"learned", "sinusoid"}))
      ->capture_default_str();
  const auto video = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Video");
  };
  video("--frames", options.frames, "N", "Frames of a sample [16]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}));
  video("--stride", options.stride, "N", "Every N-th frame around the middle; 0: evenly over the whole [0]")
      ->check(CLI::Range(std::size_t{0}, std::size_t{1'000'000}));
  video("--size", options.size, "N|HxW", "Side, or height and width, in pixels; else the model's, else 224");
  video("--resize", options.resize, "MODE", "shortest (and crop the middle), stretch or pad [shortest]")
      ->check(CLI::IsMember({"shortest", "stretch", "pad"}));
  video("--filter", options.filter, "NAME", "bicubic or bilinear, antialiased [bicubic]")
      ->check(CLI::IsMember({"bicubic", "bilinear"}));
  video("--mean", options.mean, "M", "clip, imagenet, half or numbers from 0 to 1; else the model's, else clip");
  video("--std", options.std, "S", "Likewise the standard deviation");
  app.add_flag("--no-rotation", options.no_rotation, "Do not turn frames upright as the container says")
      ->group("Video");
  app.add_flag("--salvage", options.salvage, "Take what decodes of cut and damaged videos, instead of rejecting them")
      ->group("Video");
  add_run_options(app, options.sequences.session);
}

}  // namespace

Modality video_modality() {
  return {"video",
          "MP4, MKV, WebM, AVI and what else FFmpeg reads; Y4M, also on standard input; GIF; directories of frames",
          {"mt-tokenize",
           "video [options] INPUT... -o TOKENS",
           "Turn videos into tokens: frames chosen, prepared as pictures, cut into tubelets.",
           {"mt-tokenize video clips/ --labels directory --model b16.h5 -o clips.tokens.h5",
            "mt-tokenize video film.mp4 --window 10 --patches -o film.patches.h5",
            "ffmpeg -v error -i film.mp4 -f yuv4mpegpipe - | mt-tokenize video - --model b16.h5 -o film.tokens.h5"},
           {"mt-tokenize(1)", "mt-encode(1)", "mt-train-head(1)", "mt-cat(1)"}},
          [](CLI::App& app) -> cli::Action {
            const auto options = std::make_shared<VideoOptions>();
            add_video_options(app, *options);
            return [options] { return tokenize_video(*options); };
          }};
}

}  // namespace mt::tokenize
