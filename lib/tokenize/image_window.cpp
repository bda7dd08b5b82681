#include "tokenize/image_window.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr double kAutomaticLow = 0.5, kAutomaticHigh = 99.5;
constexpr std::string_view kPercentile = "percentile:";

std::pair<double, double> pair_in(std::string_view text, std::string_view whole) {
  const auto parts = split(text, ',');
  const auto low = parse_double(parts[0]), high = parts.size() == 2 ? parse_double(parts[1]) : std::nullopt;
  if (!low || !high || !std::isfinite(*low) || !std::isfinite(*high) || *low >= *high) {
    throw UsageError("--window", fmt::format("\"{}\" is not two numbers LOW,HIGH with LOW below HIGH", whole));
  }
  return {*low, *high};
}

// The value at a fractional rank of integers that were counted by value.
double ranked(std::span<const std::uint64_t> counts, double rank) {
  const auto at = [&](double position) {
    auto left = static_cast<std::uint64_t>(position);
    std::size_t value = 0;
    while (left >= counts[value]) left -= counts[value++];
    return static_cast<double>(value);
  };
  const double below = at(std::floor(rank)), above = at(std::ceil(rank));
  return below + (above - below) * (rank - std::floor(rank));
}

double ranked(std::span<float> values, double rank) {
  const auto at = [&](double position) {
    const auto nth = values.begin() + static_cast<std::ptrdiff_t>(position);
    std::nth_element(values.begin(), nth, values.end());
    return static_cast<double>(*nth);
  };
  const double below = at(std::floor(rank)), above = at(std::ceil(rank));
  return below + (above - below) * (rank - std::floor(rank));
}

template <class T>
std::vector<std::uint64_t> counted(std::span<const T> values) {
  std::vector<std::uint64_t> counts(std::size_t{1} << (8 * sizeof(T)));
  for (const T value : values) ++counts[value];
  return counts;
}

void require_finite(std::span<const float> values) {
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    throw Error("pixels", "some are NaN or infinite", "replace them before");
  }
}

template <class T>
Tensor scaled(const Tensor& pixels, double low, double high) {
  Tensor result(DType::f32, pixels.shape());
  const std::span<const T> in = pixels.as<T>();
  const std::span<float> out = result.as<float>();
  const auto offset = static_cast<float>(low);
  const float slope = high > low ? static_cast<float>(255.0 / (high - low)) : 0.0F;
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = std::clamp((static_cast<float>(in[i]) - offset) * slope, 0.0F, 255.0F);
  }
  return result;
}

Tensor scaled(const Tensor& pixels, double low, double high) {
  switch (pixels.dtype()) {
    case DType::u8:
      return scaled<std::uint8_t>(pixels, low, high);
    case DType::u16:
      return scaled<std::uint16_t>(pixels, low, high);
    default:
      return scaled<float>(pixels, low, high);
  }
}

// The file's own window as a range (DICOM PS3.3 C.11.2.1.2.1: linear).
std::optional<std::pair<double, double>> file_window(const Image& image) {
  if (!image.window_center || !image.window_width || !(*image.window_width >= 1)) return std::nullopt;
  const double middle = *image.window_center - 0.5, half = (*image.window_width - 1) / 2;
  return std::pair{middle - half, middle + half};
}

Tensor without_window(const Tensor& pixels) {
  if (pixels.dtype() == DType::u8) return pixels;
  if (pixels.dtype() == DType::u16) return scaled(pixels, 0, 65535);
  const auto [low, high] = std::minmax_element(pixels.as<float>().begin(), pixels.as<float>().end());
  if (*low < 0 || *high > 1) {
    throw Error("pixels", fmt::format("floating-point values from {:g} to {:g} lie outside of 0..1", *low, *high),
                "say which are black and white: --window LOW,HIGH");
  }
  return scaled(pixels, 0, 1);
}

}  // namespace

Window window_named(std::string_view text) {
  using enum Window::Kind;
  if (text == "auto") return {automatic, 0, 0};
  if (text == "none") return {none, 0, 0};
  if (text == "dicom") return {dicom, 0, 0};
  if (text.starts_with(kPercentile)) {
    const auto [low, high] = pair_in(text.substr(kPercentile.size()), text);
    if (low < 0 || high > 100) throw UsageError("--window", fmt::format("\"{}\": percentiles go from 0 to 100", text));
    return {percentile, low, high};
  }
  const auto [low, high] = pair_in(text, text);
  return {range, low, high};
}

std::string name_of(const Window& window) {
  switch (window.kind) {
    case Window::Kind::automatic:
      return "auto";
    case Window::Kind::none:
      return "none";
    case Window::Kind::dicom:
      return "dicom";
    case Window::Kind::range:
      return fmt::format("{},{}", window.low, window.high);
    case Window::Kind::percentile:
      return fmt::format("{}{},{}", kPercentile, window.low, window.high);
  }
  throw std::logic_error("no name for this window");
}

std::pair<double, double> percentiles(const Tensor& pixels, double low, double high) {
  const double last = static_cast<double>(pixels.size() - 1);
  const double low_rank = low / 100 * last, high_rank = high / 100 * last;
  if (pixels.dtype() == DType::f32) {
    require_finite(pixels.as<float>());
    std::vector<float> values(pixels.as<float>().begin(), pixels.as<float>().end());
    return {ranked(values, low_rank), ranked(values, high_rank)};
  }
  const auto counts =
      pixels.dtype() == DType::u8 ? counted(pixels.as<std::uint8_t>()) : counted(pixels.as<std::uint16_t>());
  return {ranked(counts, low_rank), ranked(counts, high_rank)};
}

Tensor windowed(const Image& image, const Window& window) {
  const Tensor& pixels = image.pixels;
  if (pixels.dtype() == DType::f32) require_finite(pixels.as<float>());
  const auto by_percentile = [&](double low, double high) {
    const auto [black, white] = percentiles(pixels, low, high);
    return scaled(pixels, black, white);
  };
  const auto own = file_window(image);
  switch (window.kind) {
    case Window::Kind::none:
      return without_window(pixels);
    case Window::Kind::range:
      return scaled(pixels, window.low, window.high);
    case Window::Kind::percentile:
      return by_percentile(window.low, window.high);
    case Window::Kind::dicom:
      if (!own) throw Error("window", "the file has none of its own", "use --window auto");
      return scaled(pixels, own->first, own->second);
    case Window::Kind::automatic:
      if (pixels.dtype() == DType::u8) return pixels;
      return own ? scaled(pixels, own->first, own->second) : by_percentile(kAutomaticLow, kAutomaticHigh);
  }
  throw std::logic_error("no such window");
}

}  // namespace mt
