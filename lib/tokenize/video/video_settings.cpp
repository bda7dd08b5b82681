#include "tokenize/video/video_settings.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "tokenize/linear_embedding.h"
#include "tokenize/positions.h"
#include "tokenize/sequence_frame.h"

namespace mt {

namespace {

constexpr std::string_view kWhere = "tokenizer/video";
constexpr std::size_t kMostTokens = 1'000'000;

std::size_t count_in(const nlohmann::json& config, const char* name, std::int64_t low, std::int64_t high) {
  const auto found = config.find(name);
  if (found == config.end() || !found->is_number_integer() || found->get<std::int64_t>() < low ||
      found->get<std::int64_t>() > high) {
    throw Error(kWhere,
                fmt::format("its {} is {}, expected {} to {}", name, found == config.end() ? "missing" : found->dump(),
                            low, high),
                "check the model with mt-inspect");
  }
  return found->get<std::size_t>();
}

std::string text_in(const nlohmann::json& config, const char* name) {
  const auto found = config.find(name);
  if (found == config.end() || !found->is_string())
    throw Error(kWhere, fmt::format("has no {}", name), "check the model with mt-inspect");
  return found->get<std::string>();
}

std::vector<float> three_in(const nlohmann::json& config, const char* name) {
  const auto found = config.find(name);
  if (found != config.end() && found->is_array() && found->size() == 3 &&
      std::ranges::all_of(*found, [](const auto& number) { return number.is_number(); })) {
    return found->get<std::vector<float>>();
  }
  throw Error(kWhere, fmt::format("its {} is not three numbers", name), "check the model with mt-inspect");
}

// Frames follow each other evenly, but for what a container's clock rounds: a millisecond and a half (Matroska).
bool is_even(const VideoTimes& times) {
  const std::size_t n = times.starts.size();
  if (n < 2) return true;
  const double gap = times.starts.back() / static_cast<double>(n - 1);
  for (std::size_t i = 0; i < n; ++i) {
    if (std::abs(times.starts[i] - static_cast<double>(i) * gap) > 1.5e-3) return false;
  }
  return true;
}

// Sines of time, [times, width], fixed.
Tensor sines_of_time(std::size_t times, std::size_t width) {
  Tensor sines(DType::f32, {times, width});
  for (std::size_t t = 0; t < times; ++t) sincos_position(t, sines.row<float>(t));
  return sines;
}

double root_mean_square(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, values.size())));
}

// [1 + times * places, width]: cls's own row, then of each time the places plus scale times the time's sines.
Tensor spread_over_time(std::span<const float> cls, const Tensor& places, std::size_t times, double scale) {
  const std::size_t width = places.columns(), count = places.rows();
  const Tensor sines = sines_of_time(times, width);
  Tensor positions(DType::f32, {1 + times * count, width});
  std::ranges::copy(cls, positions.as<float>().begin());
  for (std::size_t t = 0; t < times; ++t) {
    for (std::size_t place = 0; place < count; ++place) {
      const auto row = positions.row<float>(1 + t * count + place);
      for (std::size_t i = 0; i < width; ++i)
        row[i] = places.row<float>(place)[i] + static_cast<float>(scale) * sines.row<float>(t)[i];
    }
  }
  return positions;
}

void take_positions(Part& part, const VideoSettings& settings, VideoPositions kind) {
  if (kind == VideoPositions::sinusoid) {
    part.config["positions"] = "sinusoid";
    part.tensors.erase("positions");
    return;
  }
  part.config["position_grid"] = {settings.times(), settings.grid().height, settings.grid().width};
}

}  // namespace

std::vector<std::size_t> sampled_frames(const VideoTimes& times, double start, double duration, std::size_t count,
                                        std::size_t stride, std::string_view where) {
  const double end = duration < 0 ? times.duration : std::min(start + duration, times.duration);
  if (!(start < times.duration)) {
    throw Error(where, fmt::format("starts at {} s, but the video ends after {:.3f} s", start, times.duration));
  }
  // Frames that start within the part; a part within one frame has that one. Clocks are forgiven a microsecond.
  const auto at = [&](double seconds) {
    return static_cast<std::size_t>(std::lower_bound(times.starts.begin(), times.starts.end(), seconds - 1e-6) -
                                    times.starts.begin());
  };
  std::size_t first = at(start), last = at(end);
  if (first >= last) {
    first = times.shown_at(start);
    last = first + 1;
  }
  const std::size_t n = last - first;
  std::vector<std::size_t> chosen(count);
  if (stride > 0) {
    const std::size_t span = (count - 1) * stride + 1, begin = n > span ? (n - span) / 2 : 0;
    for (std::size_t i = 0; i < count; ++i) chosen[i] = first + std::min(begin + i * stride, n - 1);
  } else if (is_even(times)) {
    for (std::size_t i = 0; i < count; ++i) chosen[i] = first + (2 * i + 1) * n / (2 * count);
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      const double middle = start + (static_cast<double>(i) + 0.5) * (end - start) / static_cast<double>(count);
      chosen[i] = std::clamp(times.shown_at(middle + 1e-6), first, last - 1);
    }
  }
  return chosen;
}

nlohmann::json video_config(const VideoSettings& settings) {
  const ImagePreparation& preparation = settings.preparation;
  return {{"modality", "video"},
          {"frames", settings.frames},
          {"tubelet", settings.tubelet},
          {"patch", settings.patch},
          {"stride", settings.stride},
          {"size", {preparation.size.height, preparation.size.width}},
          {"resize", name_of(preparation.mode)},
          {"filter", name_of(preparation.filter)},
          {"upright", preparation.upright},
          {"mean", settings.normalization.mean},
          {"std", settings.normalization.std}};
}

VideoSettings video_settings_of(const nlohmann::json& config) {
  VideoSettings settings;
  settings.frames = count_in(config, "frames", 1, 4096);
  settings.tubelet = count_in(config, "tubelet", 1, 4096);
  settings.patch = count_in(config, "patch", 1, 4096);
  settings.stride = count_in(config, "stride", 0, 1'000'000);
  const auto size = config.find("size");
  if (size == config.end() || !size->is_array() || size->size() != 2)
    throw Error(kWhere, "has no size", "check the model with mt-inspect");
  const nlohmann::json sides = {{"height", (*size)[0]}, {"width", (*size)[1]}};
  settings.preparation.size = {count_in(sides, "height", 1, 65536), count_in(sides, "width", 1, 65536)};
  settings.preparation.mode = resize_mode_named(text_in(config, "resize"));
  settings.preparation.filter = filter_named(text_in(config, "filter"));
  settings.preparation.upright = config.value("upright", true);
  settings.normalization = {three_in(config, "mean"), three_in(config, "std")};
  for (const float deviation : settings.normalization.std) {
    if (!(deviation > 0)) throw Error(kWhere, fmt::format("its std holds {}, expected positive numbers", deviation));
  }
  require_whole_tubelets(settings);
  return settings;
}

void require_whole_tubelets(const VideoSettings& settings) {
  const Size size = settings.preparation.size;
  if (settings.frames % settings.tubelet != 0) {
    throw UsageError("--frames",
                     fmt::format("{} frames are no whole number of tubelets of {}", settings.frames, settings.tubelet));
  }
  if (size.height % settings.patch != 0 || size.width % settings.patch != 0) {
    throw UsageError("--size",
                     fmt::format("{}x{} is no whole number of patches of {}", size.height, size.width, settings.patch));
  }
  if (settings.tokens() > kMostTokens) {
    throw UsageError("--size",
                     fmt::format("would make {} tokens a sample, at most {} are made", settings.tokens(), kMostTokens));
  }
}

void cut_tubelets(const std::vector<Tensor>& pictures, const VideoSettings& settings, std::span<float> rows) {
  if (pictures.size() != settings.frames || rows.size() != settings.tokens() * settings.patch_values())
    throw std::logic_error("cut_tubelets: pictures or rows do not fit the settings");
  const std::size_t area = settings.patch * settings.patch, places = settings.grid().height * settings.grid().width;
  std::vector<float> patches(places * 3 * area);
  for (std::size_t frame = 0; frame < settings.frames; ++frame) {
    cut_patches(pictures[frame], settings.patch, settings.normalization, patches);
    float* const tubelets = rows.data() + frame / settings.tubelet * places * settings.patch_values();
    for (std::size_t place = 0; place < places; ++place) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        std::copy_n(patches.data() + (place * 3 + channel) * area, area,
                    tubelets + place * settings.patch_values() +
                        (channel * settings.tubelet + frame % settings.tubelet) * area);
      }
    }
  }
}

void initialise_video_embedding(Part& part, std::size_t width, VideoPositions positions, std::uint64_t seed) {
  const VideoSettings settings = video_settings_of(part.config);
  part.config["embedding"] = "linear";
  add_initial_projection(part, width, settings.patch_values(), true, seed);
  const bool learned = positions == VideoPositions::learned;
  add_initial_frame(part, width, learned ? 1 : 0, learned ? settings.tokens() : 0, seed);
  if (learned) {
    const Tensor places = sincos_positions(settings.grid(), width);
    const std::vector<float> none(width, 0.0F);
    part.tensors["positions"] = spread_over_time(none, places, settings.times(), 1);
  }
  take_positions(part, settings, positions);
}

bool inflate_image_tokenizer(Part& part, const Part& image, VideoPositions positions) {
  const VideoSettings settings = video_settings_of(part.config);
  const Tensor kernel = image.at("patch.weight").to(DType::f32);  // [width, 3, side, side]
  const Shape& shape = kernel.shape();
  if (shape.size() != 4 || shape[1] != 3 || shape[2] != settings.patch || shape[3] != settings.patch) return false;
  const std::size_t width = shape[0], area = shape[2] * shape[3], tubelet = settings.tubelet;
  Tensor weight(DType::f32, {width, 3, tubelet, shape[2], shape[3]});
  for (std::size_t plane = 0; plane < width * 3; ++plane) {
    for (std::size_t i = 0; i < tubelet * area; ++i) {
      weight.as<float>()[plane * tubelet * area + i] =
          kernel.as<float>()[plane * area + i % area] / static_cast<float>(tubelet);
    }
  }
  part.tensors["patch.weight"] = std::move(weight);
  part.tensors.erase("patch.bias");
  for (const char* name : {"patch.bias", "cls", "pre_norm.weight", "pre_norm.bias"}) {
    if (image.has(name)) part.tensors[name] = image.at(name).to(DType::f32);
  }
  if (image.config.contains("eps")) part.config["eps"] = image.config["eps"];
  if (positions == VideoPositions::sinusoid || !image.has("positions") || !image.has("cls")) return true;
  const Tensor table = image.at("positions").to(DType::f32);
  const auto side = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(table.rows() - 1))));
  if (side * side + 1 != table.rows()) return true;  // not of a square picture: the sines stay
  const Tensor resized = resized_positions(table, 1, {side, side}, settings.grid(), PositionResize::antialias);
  const Tensor places = resized.rows_copy(1, resized.rows());
  const double scale =
      0.5 * root_mean_square(places.as<float>()) / root_mean_square(sines_of_time(settings.times(), width).as<float>());
  part.tensors["positions"] = spread_over_time(std::as_const(resized).row<float>(0), places, settings.times(), scale);
  return true;
}

}  // namespace mt
