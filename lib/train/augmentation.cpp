#include "train/augmentation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "tokenize/image_tokenizer.h"
#include "train/picture_layout.h"

namespace mt {

namespace {

constexpr std::string_view kOption = "--augment";

// Gamma(shape, 1) for a shape of any size (Marsaglia and Tsang, 2000).
double gamma(double shape, Random& random) {
  if (shape < 1) return gamma(shape + 1, random) * std::pow(1 - random.uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    if (std::log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

void mix_row(std::span<const float> own, std::span<const float> its, float share, std::span<float> mixed) {
  for (std::size_t i = 0; i < mixed.size(); ++i) mixed[i] = share * own[i] + (1 - share) * its[i];
}

// A file may say anything of its grids.
bool fills_its_grid(const Batch& batch, std::size_t s) {
  const auto sides = batch.grid.row<std::int32_t>(s);
  const double full = static_cast<double>(sides[0]) * sides[1] * sides[2];  // beyond all integers, if it likes
  return std::ranges::all_of(sides, [](std::int32_t side) { return side > 0; }) &&
         full == static_cast<double>(batch.row_end(s) - batch.row_begin(s));
}

// Whether the patches of two samples of one length fill grids of the same sides.
bool same_grid(const Batch& batch, std::size_t a, std::size_t b) {
  return std::ranges::equal(batch.grid.row<std::int32_t>(a), batch.grid.row<std::int32_t>(b)) &&
         fills_its_grid(batch, a);
}

[[noreturn]] void refuse(const char* what, const char* whom, const Schema& patches) {
  throw UsageError(kOption,
                   fmt::format("{} is for {}, these are patches of {}", what, whom, printable(patches.modality)),
                   "leave it out");
}

// Where what lies at `place` comes from when all is moved by so many places, the border repeated.
std::size_t moved(std::size_t place, std::ptrdiff_t by, std::size_t places) {
  const auto last = static_cast<std::ptrdiff_t>(places) - 1;
  return static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(place) - by, 0, last));
}

}  // namespace

bool AugmentationSettings::any() const {
  return crop > 0 || flip || shift > 0 || rotate || noise > 0 || gain > 0 || mask > 0 || drop > 0 || mixup > 0 ||
         cutmix > 0;
}

nlohmann::json AugmentationSettings::to_json() const {
  nlohmann::json json = nlohmann::json::object();
  if (crop > 0) json["crop"] = crop;
  if (flip) json["flip"] = true;
  if (shift > 0) json["shift"] = shift;
  if (rotate) json["rotate"] = true;
  if (noise > 0) json["noise"] = noise;
  if (gain > 0) json["gain"] = gain;
  if (mask > 0) json["mask"] = mask;
  if (drop > 0) json["drop"] = drop;
  if (mixup > 0) json["mixup"] = mixup;
  if (cutmix > 0) json["cutmix"] = cutmix;
  return json;
}

AugmentationSettings augmentation_named(std::string_view text) {
  AugmentationSettings settings;
  const std::map<std::string_view, bool*> flags = {{"flip", &settings.flip}, {"rotate", &settings.rotate}};
  const std::map<std::string_view, std::pair<double*, double>> numbers = {
      {"crop", {&settings.crop, 1}},      {"noise", {&settings.noise, 100}},  {"gain", {&settings.gain, 10}},
      {"shift", {&settings.shift, 1024}}, {"mask", {&settings.mask, 0.9}},    {"drop", {&settings.drop, 0.99}},
      {"mixup", {&settings.mixup, 100}},  {"cutmix", {&settings.cutmix, 100}}};
  for (const std::string_view part : split(text, ',')) {
    const std::string_view word = trimmed(part);
    const std::size_t colon = word.find(':');
    const std::string_view name = word.substr(0, colon);
    if (const auto flag = flags.find(name); flag != flags.end() && colon == std::string_view::npos) {
      *flag->second = true;
      continue;
    }
    const auto number = numbers.find(name);
    if (number == numbers.end())
      throw UsageError(kOption, fmt::format("\"{}\" is not known", printable(std::string(word))),
                       "use crop:SHARE, flip, shift:X, rotate, noise:X, gain:X, mask:SHARE, drop:SHARE, "
                       "mixup:ALPHA or cutmix:ALPHA");
    const auto value = colon == std::string_view::npos ? std::nullopt : parse_double(word.substr(colon + 1));
    const auto [setting, most] = number->second;
    if (!value || !(*value >= 0 && *value <= most))
      throw UsageError(kOption, fmt::format("\"{}\" has no number from 0 to {:g}", printable(std::string(word)), most),
                       fmt::format("e.g. {}:{}", name, name == "shift" ? "2" : "0.1"));
    *setting = *value;
  }
  return settings;
}

Augmentation::Augmentation(const AugmentationSettings& settings, const Schema& patches, std::uint64_t seed)
    : settings_(settings), seed_(seed), cloud_(patches.modality == "point-cloud"), sound_(patches.modality == "audio") {
  if (is_picture(patches.modality) && patches.has_grid) {
    side_ = patches.config.value("patch", std::size_t{0});
    channels_ = side_ == 0 ? 0 : patches.width / (side_ * side_);
    if (channels_ * side_ * side_ != patches.width) channels_ = 0;
  }
  if (settings.flip && channels_ == 0) refuse("flip", "pictures", patches);
  require_movable(patches);
  if (settings.rotate && (!cloud_ || patches.config.value("features", "") != "dp"))
    refuse("rotate", "point clouds of coordinates alone", patches);
  if ((settings.mask > 0 || settings.cutmix > 0) && !patches.has_grid)
    refuse("mask and cutmix", "patches in a grid", patches);
  if ((settings.noise > 0 || settings.gain > 0 || settings.mixup > 0) && patches.width == 0)
    refuse("noise, gain and mixup", "numbers", patches);
}

void Augmentation::require_movable(const Schema& patches) const {
  if (settings_.shift <= 0 || cloud_) return;
  if (channels_ == 0 && !(sound_ && patches.has_grid)) refuse("shift", "pictures, sound and point clouds", patches);
  if (settings_.shift != std::floor(settings_.shift))
    throw UsageError(
        kOption, fmt::format("shift:{:g} is no whole number of {}", settings_.shift, sound_ ? "patches" : "pixels"));
}

Random Augmentation::random_of(const char* purpose, std::uint64_t epoch, std::size_t sample) const {
  return Random(seed_, stream_of(purpose, epoch, sample));
}

void Augmentation::apply(Batch& batch, std::span<const std::size_t> samples, std::uint64_t epoch) const {
  if (!settings_.any()) return;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    Random random = random_of("augment", epoch, samples[s]);
    if (channels_ > 0 && (settings_.flip || settings_.shift > 0)) move_picture(batch, s, random);
    if (sound_ && settings_.shift > 0) move_sound(batch, s, random);
    if (settings_.rotate) turn_cloud(batch, s, random);
    if (cloud_ && settings_.shift > 0) move_cloud(batch, s, random);
    if (settings_.mask > 0) mask_grid(batch, s, random);
    if (settings_.noise <= 0 && settings_.gain <= 0) continue;
    const auto factor = static_cast<float>(std::exp(settings_.gain * random.normal()));
    for (std::size_t row = batch.row_begin(s); row < batch.row_end(s); ++row) {
      for (float& value : batch.rows.row<float>(row))
        value = value * factor + static_cast<float>(settings_.noise * random.normal());
      if (!cloud_) continue;
      for (float& value : batch.centers.row<float>(row)) value *= factor;
    }
  }
}

// In [-shift, shift].
std::ptrdiff_t Augmentation::whole_shift(Random& random) const {
  const auto most = static_cast<std::size_t>(settings_.shift);
  return static_cast<std::ptrdiff_t>(random.below(2 * most + 1)) - static_cast<std::ptrdiff_t>(most);
}

// Along time, the columns of the grid.
void Augmentation::move_sound(Batch& batch, std::size_t s, Random& random) const {
  const std::ptrdiff_t later = whole_shift(random);
  if (!fills_its_grid(batch, s)) return;
  const auto sides = std::as_const(batch.grid).row<std::int32_t>(s);
  const auto columns = static_cast<std::size_t>(sides[2]);
  const std::size_t first = batch.row_begin(s), end = batch.row_end(s);
  const Tensor before = batch.rows.rows_copy(first, end);
  for (std::size_t t = 0; t < end - first; ++t) {
    const std::size_t column = t % columns, from = moved(column, later, columns);
    std::ranges::copy(before.row<float>(t - column + from), batch.rows.row<float>(first + t).begin());
  }
}

// Patches hold what lies around their centre: the centres alone say where a cloud is.
void Augmentation::move_cloud(Batch& batch, std::size_t s, Random& random) const {
  std::array<float, 3> by{};
  for (float& along : by) along = static_cast<float>(random.uniform(-settings_.shift, settings_.shift));
  for (std::size_t row = batch.row_begin(s); row < batch.row_end(s); ++row) {
    const auto center = batch.centers.row<float>(row);
    for (std::size_t axis = 0; axis < by.size(); ++axis) center[axis] += by[axis];
  }
}

// The picture is put together from its patches, moved and cut again.
void Augmentation::move_picture(Batch& batch, std::size_t s, Random& random) const {
  const bool flipped = settings_.flip && random.uniform() < 0.5;
  const std::ptrdiff_t down = whole_shift(random), right = whole_shift(random);
  const auto sides = std::as_const(batch.grid).row<std::int32_t>(s);
  const auto rows = static_cast<std::size_t>(sides[1]), columns = static_cast<std::size_t>(sides[2]);
  const std::size_t first = batch.row_begin(s), height = rows * side_, width = columns * side_;
  if (!fills_its_grid(batch, s) || sides[0] != 1) return;  // no single picture
  const Tensor before = batch.rows.rows_copy(first, first + rows * columns);
  const PatchPlaces place{side_, columns};
  for (std::size_t y = 0; y < height; ++y) {
    const std::size_t from_y = moved(y, down, height);
    for (std::size_t x = 0; x < width; ++x) {
      std::size_t from_x = moved(x, right, width);
      if (flipped) from_x = width - 1 - from_x;
      for (std::size_t channel = 0; channel < channels_; ++channel) {
        const auto [patch, number] = place(channel, y, x);
        const auto [from_patch, from_number] = place(channel, from_y, from_x);
        batch.rows.row<float>(first + patch)[number] = before.row<float>(from_patch)[from_number];
      }
    }
  }
}

// Around z; patches hold the coordinates of neighbours relative to their centre.
void Augmentation::turn_cloud(Batch& batch, std::size_t s, Random& random) const {
  const double angle = random.uniform(0, 2 * std::numbers::pi), sine = std::sin(angle), cosine = std::cos(angle);
  const auto turn = [&](std::span<float> points) {
    for (std::size_t i = 0; i + 3 <= points.size(); i += 3) {
      const double x = points[i], y = points[i + 1];
      points[i] = static_cast<float>(cosine * x - sine * y);
      points[i + 1] = static_cast<float>(sine * x + cosine * y);
    }
  };
  for (std::size_t row = batch.row_begin(s); row < batch.row_end(s); ++row) {
    turn(batch.rows.row<float>(row));
    turn(batch.centers.row<float>(row));
  }
}

// Bands of the grid become zeros, the mean of normalised patches (after SpecAugment, Park et al., 2019).
void Augmentation::mask_grid(Batch& batch, std::size_t s, Random& random) const {
  if (!fills_its_grid(batch, s)) return;
  const auto sides = std::as_const(batch.grid).row<std::int32_t>(s);
  const auto rows = static_cast<std::size_t>(sides[1]), columns = static_cast<std::size_t>(sides[2]);
  const auto band = [&](std::size_t size) {
    const std::size_t most = static_cast<std::size_t>(std::lround(settings_.mask * static_cast<double>(size)));
    const std::size_t length = random.below(most + 1), begin = random.below(size - length + 1);
    return std::pair{begin, begin + length};
  };
  const auto [top, bottom] = band(rows);
  const auto [left, right] = band(columns);
  const std::size_t first = batch.row_begin(s);
  for (std::size_t t = first; t < batch.row_end(s); ++t) {
    const std::size_t row = (t - first) / columns % rows, column = (t - first) % columns;
    if ((row >= top && row < bottom) || (column >= left && column < right))
      std::ranges::fill(batch.rows.row<float>(t), 0.0F);
  }
}

std::vector<std::size_t> Augmentation::kept(std::size_t count, std::size_t sample, std::uint64_t epoch) const {
  Random random = random_of("drop", epoch, sample);
  std::vector<std::size_t> tokens;
  for (std::size_t t = 0; t < count; ++t) {
    if (random.uniform() >= settings_.drop) tokens.push_back(t);
  }
  if (tokens.empty() && count > 0) tokens.push_back(random.below(count));
  return tokens;
}

// Returns the share that is left of the sample.
float Augmentation::mix_all(Batch& batch, const Tensor& before, std::size_t s, std::size_t other,
                            Random& random) const {
  const double a = gamma(settings_.mixup, random), b = gamma(settings_.mixup, random);
  const auto share = static_cast<float>(a + b > 0 ? std::max(a, b) / (a + b) : 1);
  for (std::size_t t = 0; t < batch.row_end(s) - batch.row_begin(s); ++t) {
    mix_row(before.row<float>(batch.row_begin(s) + t), before.row<float>(batch.row_begin(other) + t), share,
            batch.rows.row<float>(batch.row_begin(s) + t));
  }
  return share;
}

// A box of about the wanted share of the grid, cut off at its borders, at all times; likewise.
float Augmentation::mix_box(Batch& batch, const Tensor& before, std::size_t s, std::size_t other,
                            Random& random) const {
  const auto sides = std::as_const(batch.grid).row<std::int32_t>(s);
  const auto rows = static_cast<std::size_t>(sides[1]), columns = static_cast<std::size_t>(sides[2]);
  const double a = gamma(settings_.cutmix, random), b = gamma(settings_.cutmix, random);
  const double side = std::sqrt(a + b > 0 ? b / (a + b) : 0);
  const auto band = [&](std::size_t size) {
    const double length = side * static_cast<double>(size), middle = random.uniform() * static_cast<double>(size);
    const auto end = [&](double at) {
      return static_cast<std::size_t>(std::clamp(std::round(at), 0.0, static_cast<double>(size)));
    };
    return std::pair{end(middle - length / 2), end(middle + length / 2)};
  };
  const auto [top, bottom] = band(rows);
  const auto [left, right] = band(columns);
  const std::size_t length = batch.row_end(s) - batch.row_begin(s);
  for (std::size_t t = 0; t < length; ++t) {
    const std::size_t row = t / columns % rows, column = t % columns;
    if (row < top || row >= bottom || column < left || column >= right) continue;
    std::ranges::copy(before.row<float>(batch.row_begin(other) + t),
                      batch.rows.row<float>(batch.row_begin(s) + t).begin());
  }
  return 1 - static_cast<float>((bottom - top) * (right - left)) / static_cast<float>(rows * columns);
}

std::vector<Augmentation::Partner> Augmentation::mix(Batch& batch, std::span<const std::size_t> samples,
                                                     std::uint64_t epoch) const {
  std::vector<Partner> partners(samples.size());
  for (std::size_t s = 0; s < samples.size(); ++s) partners[s].other = s;
  if ((settings_.mixup <= 0 && settings_.cutmix <= 0) || samples.empty()) return partners;
  Random order = random_of("mixup order", epoch, samples.front());
  const std::vector<std::size_t> others = permutation(samples.size(), order);
  const Tensor before = batch.rows, numbers = batch.numbers;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const std::size_t other = others[s], length = batch.row_end(s) - batch.row_begin(s);
    if (other == s || batch.row_end(other) - batch.row_begin(other) != length) continue;
    Random random = random_of("mixup", epoch, samples[s]);
    const bool box = settings_.cutmix > 0 && (settings_.mixup <= 0 || random.uniform() < 0.5);
    if (box && !same_grid(batch, s, other)) continue;
    partners[s] = {other, box ? mix_box(batch, before, s, other, random) : mix_all(batch, before, s, other, random)};
    if (!numbers.empty())
      mix_row(numbers.row<float>(s), numbers.row<float>(other), partners[s].share, batch.numbers.row<float>(s));
  }
  return partners;
}

}  // namespace mt
