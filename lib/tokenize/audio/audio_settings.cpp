#include "tokenize/audio/audio_settings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "tokenize/linear_embedding.h"
#include "tokenize/positions.h"
#include "tokenize/sequence_frame.h"

namespace mt {

namespace {

constexpr std::size_t kOpenFrames = 1024;  // of the positions, where recordings stay as long as they are
constexpr std::size_t kMostFrames = 1'000'000;

double number_in(const nlohmann::json& config, const char* name, double low, double high) {
  const auto found = config.find(name);
  if (found == config.end() || !found->is_number() || !(found->get<double>() >= low && found->get<double>() <= high)) {
    throw Error("tokenizer/audio",
                fmt::format("its {} is {}, expected a number from {} to {}", name,
                            found == config.end() ? "missing" : found->dump(), low, high),
                "check the model with mt-inspect");
  }
  return found->get<double>();
}

std::size_t count_in(const nlohmann::json& config, const char* name, std::size_t low, std::size_t high) {
  return static_cast<std::size_t>(number_in(config, name, static_cast<double>(low), static_cast<double>(high)));
}

SpectrogramSize size_in(const nlohmann::json& config, const char* name) {
  const auto found = config.find(name);
  const auto valid = [](const nlohmann::json& number) {
    return number.is_number_integer() && number.get<std::int64_t>() > 0 && number.get<std::int64_t>() <= 4096;
  };
  if (found == config.end() || !found->is_array() || found->size() != 2 || !valid((*found)[0]) || !valid((*found)[1])) {
    throw Error("tokenizer/audio", fmt::format("its {} is not [bins, frames]", name),
                "check the model with mt-inspect");
  }
  return {(*found)[0].get<std::size_t>(), (*found)[1].get<std::size_t>()};
}

WindowShape window_in(const nlohmann::json& config) {
  const auto found = config.find("window");
  return window_shape_named(found != config.end() && found->is_string() ? found->get<std::string>() : "");
}

SpectrogramSize position_grid(const AudioSettings& settings) {
  return settings.grid(settings.frames.value_or(kOpenFrames));
}

}  // namespace

SpectrogramSize AudioSettings::grid(std::size_t count) const {
  return {(filterbank.bins - patch.bins) / stride.bins + 1,
          (std::max(count, patch.frames) - patch.frames) / stride.frames + 1};
}

std::optional<AudioNormalization> audio_normalization_named(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, AudioNormalization>, 4> presets = {{
      {"audioset", {-4.2677393, 4.5689974}},
      {"speech-commands", {-6.845978, 5.5654526}},
      {"esc-50", {-6.6268077, 5.358466}},
      {"none", {0.0, 0.5}},
  }};
  for (const auto& [preset, values] : presets) {
    if (name == preset) return values;
  }
  return std::nullopt;
}

nlohmann::json audio_config(const AudioSettings& settings) {
  const FilterbankOptions& filterbank = settings.filterbank;
  nlohmann::json config = {{"modality", "audio"},
                           {"sample_rate_hz", settings.rate_hz},
                           {"channel", settings.channel},
                           {"bins", filterbank.bins},
                           {"frame_length_ms", filterbank.frame_length_ms},
                           {"frame_shift_ms", filterbank.frame_shift_ms},
                           {"low_hz", filterbank.low_hz},
                           {"high_hz", filterbank.high_hz},
                           {"preemphasis", filterbank.preemphasis},
                           {"window", name_of(filterbank.window)},
                           {"mean", settings.mean},
                           {"std", settings.std},
                           {"frames", nullptr},
                           {"patch", {settings.patch.bins, settings.patch.frames}},
                           {"stride", {settings.stride.bins, settings.stride.frames}}};
  if (settings.frames) config["frames"] = *settings.frames;
  return config;
}

AudioSettings audio_settings_of(const nlohmann::json& config) {
  AudioSettings settings;
  FilterbankOptions& filterbank = settings.filterbank;
  settings.rate_hz = count_in(config, "sample_rate_hz", 100, 1'000'000);
  settings.channel = count_in(config, "channel", 0, 1024);
  filterbank.sample_rate_hz = static_cast<double>(settings.rate_hz);
  filterbank.bins = count_in(config, "bins", 1, 4096);
  filterbank.frame_length_ms = number_in(config, "frame_length_ms", 0, 1e6);
  filterbank.frame_shift_ms = number_in(config, "frame_shift_ms", 0, 1e6);
  filterbank.low_hz = number_in(config, "low_hz", 0, 1e6);
  filterbank.high_hz = number_in(config, "high_hz", -1e6, 1e6);
  filterbank.preemphasis = number_in(config, "preemphasis", 0, 1);
  filterbank.window = window_in(config);
  settings.mean = number_in(config, "mean", -1e6, 1e6);
  settings.std = number_in(config, "std", 1e-6, 1e6);
  settings.frames.reset();
  if (config.contains("frames") && !config["frames"].is_null())
    settings.frames = count_in(config, "frames", 1, kMostFrames);
  settings.patch = size_in(config, "patch");
  settings.stride = size_in(config, "stride");
  require_patches_fit(settings);
  return settings;
}

void require_patches_fit(const AudioSettings& settings) {
  if (settings.patch.bins > settings.filterbank.bins) {
    throw UsageError(
        "--patch", fmt::format("patches of {} bins do not fit {} bins", settings.patch.bins, settings.filterbank.bins));
  }
  if (settings.frames && settings.patch.frames > *settings.frames) {
    throw UsageError("--patch",
                     fmt::format("patches of {} frames do not fit {} frames", settings.patch.frames, *settings.frames));
  }
}

void initialise_audio_embedding(Part& part, std::size_t width, std::uint64_t seed) {
  const AudioSettings settings = audio_settings_of(part.config);
  const SpectrogramSize grid = position_grid(settings);
  part.config["embedding"] = "linear";
  part.config["position_grid"] = {1, grid.bins, grid.frames};
  add_initial_projection(part, width, settings.patch_values(), true, seed);
  add_initial_frame(part, width, 1, grid.bins * grid.frames, seed);
  // Sines of bin and time in place of noise, as for pictures: positions mean something before they have learned.
  const Tensor places = sincos_positions({grid.bins, grid.frames}, width);
  const auto positions = part.tensors.at("positions").as<float>();
  std::ranges::copy(places.as<float>(), positions.begin() + static_cast<std::ptrdiff_t>(width));
}

bool adopt_image_tokenizer(Part& part, const Part& image) {
  const AudioSettings settings = audio_settings_of(part.config);
  const Tensor kernel = image.at("patch.weight").to(DType::f32);  // [width, channels, side, side]
  const Shape& shape = kernel.shape();
  if (shape.size() != 4 || settings.patch != SpectrogramSize{shape[2], shape[3]}) return false;
  const std::size_t width = shape[0], area = shape[2] * shape[3];
  Tensor weight(DType::f32, {width, area});
  for (std::size_t unit = 0; unit < width; ++unit) {
    for (std::size_t i = 0; i < shape[1] * area; ++i)
      weight.row<float>(unit)[i % area] += kernel.as<float>()[unit * shape[1] * area + i];
  }
  part.tensors["patch.weight"] = std::move(weight);
  if (image.has("patch.bias")) part.tensors["patch.bias"] = image.at("patch.bias").to(DType::f32);
  const std::size_t prefix = image.has("cls") ? 1 : 0;
  if (prefix == 0 || !image.has("positions")) return true;
  part.tensors["cls"] = image.at("cls").to(DType::f32);
  const Tensor positions = image.at("positions").to(DType::f32);
  const auto side = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(positions.rows() - prefix))));
  if (side * side != positions.rows() - prefix) return true;  // not of a square picture: the sines stay
  const SpectrogramSize grid = position_grid(settings);
  part.tensors["positions"] =
      resized_positions(positions, prefix, {side, side}, {grid.bins, grid.frames}, PositionResize::antialias);
  return true;
}

}  // namespace mt
