#include "tokenize/resize.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "kernels/weighted_rows.h"

namespace mt {

namespace {

constexpr std::size_t kStripRows = 16;     // rows that are resampled side by side
constexpr std::size_t kStripColumns = 64;  // output columns that share one stretch of the input

double support_of(Filter filter) { return filter == Filter::bicubic ? 2.0 : 1.0; }

double value_of(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::bilinear) return x < 1.0 ? 1.0 - x : 0.0;
  constexpr double a = -0.5;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

std::int32_t fixed(double weight) {
  return static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kWeightBits));
}

// The weights by which output positions [begin, end) of an axis of `from` positions resized to `to` sum input
// positions. Pillow, src/libImaging/Resample.c: precompute_coeffs and normalize_coeffs_8bpc.
class Weights {
 public:
  Weights(std::size_t from, std::size_t to, std::size_t begin, std::size_t end, Filter filter);

  std::size_t positions() const { return first_.size(); }
  std::size_t first(std::size_t position) const { return first_[position]; }                     // first input position
  std::size_t last(std::size_t position) const { return first_[position] + counts_[position]; }  // one past the last
  std::span<const double> of(std::size_t position) const {
    return std::span(weights_).subspan(position * taps_, counts_[position]);
  }
  FixedWeights fixed_of(std::size_t position) const {
    const std::size_t pairs = (counts_[position] + 1) / 2;
    return {std::span(low_).subspan(position * pairs_, pairs), std::span(high_).subspan(position * pairs_, pairs),
            counts_[position]};
  }

 private:
  std::size_t taps_, pairs_;  // the most that a position has
  std::vector<std::size_t> first_, counts_;
  std::vector<double> weights_;           // [positions, taps]
  std::vector<std::int32_t> low_, high_;  // [positions, pairs]
};

Weights::Weights(std::size_t from, std::size_t to, std::size_t begin, std::size_t end, Filter filter)
    : first_(end - begin), counts_(end - begin) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double filter_scale = std::max(scale, 1.0), support = support_of(filter) * filter_scale;
  taps_ = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  pairs_ = (taps_ + 1) / 2;
  const std::size_t positions = end - begin;
  weights_.assign(checked_mul(positions, taps_, "resampling weights"), 0);
  low_.assign(positions * pairs_, 0);
  high_.assign(positions * pairs_, 0);
  std::vector<std::int32_t> rounded(taps_);
  for (std::size_t p = 0; p < positions; ++p) {
    const double center = (static_cast<double>(begin + p) + 0.5) * scale;
    const auto bound = [&](double x) {
      return static_cast<std::size_t>(std::clamp(std::trunc(x), 0.0, static_cast<double>(from)));
    };
    const std::size_t first = bound(center - support + 0.5), count = bound(center + support + 0.5) - first;
    double* weights = weights_.data() + p * taps_;
    double sum = 0;
    for (std::size_t t = 0; t < count; ++t) {
      weights[t] = value_of(filter, (static_cast<double>(t + first) - center + 0.5) * (1.0 / filter_scale));
      sum += weights[t];
    }
    for (std::size_t t = 0; t < count; ++t) {
      if (sum != 0) weights[t] /= sum;
      rounded[t] = fixed(weights[t]);
    }
    const std::size_t pairs = (count + 1) / 2;
    split_weights(std::span(rounded).first(count), std::span(low_).subspan(p * pairs_, pairs),
                  std::span(high_).subspan(p * pairs_, pairs));
    first_[p] = first;
    counts_[p] = count;
  }
}

void weighted(const std::uint8_t* rows, std::size_t stride, const Weights& weights, std::size_t position,
              std::uint8_t* out, std::size_t n) {
  weighted_rows(rows, stride, weights.fixed_of(position), out, n);
}

void weighted(const float* rows, std::size_t stride, const Weights& weights, std::size_t position, float* out,
              std::size_t n) {
  weighted_rows(rows, stride, weights.of(position), out, n);
}

// A stretch of rows: where it starts and how far apart (in elements) its rows are.
template <class T>
struct Rows {
  T* data;
  std::size_t stride;
};

// The horizontal pass: in, `rows` rows that start at input column `origin`; out, one row of weights.positions() pixels
// each. Sixteen rows are turned on their side, so that what one output pixel sums is contiguous, whole vectors at a
// time.
template <class T>
void resample_columns(Rows<const T> in, std::size_t origin, std::size_t rows, std::size_t channels,
                      const Weights& weights, Rows<T> out) {
  const std::size_t pixel = channels * kStripRows;
  for (std::size_t begin = 0; begin < weights.positions(); begin += kStripColumns) {
    const std::size_t end = std::min(begin + kStripColumns, weights.positions());
    const std::size_t from = weights.first(begin), span = weights.last(end - 1) - from;
    const auto memory = std::make_unique<T[]>(checked_mul(span + end - begin, pixel, "a resized picture"));
    T *const strip = memory.get(), *const resampled = strip + span * pixel;
    for (std::size_t row = 0; row < rows; row += kStripRows) {
      const std::size_t count = std::min(kStripRows, rows - row);
      const T* sources[kStripRows];
      T* targets[kStripRows];
      for (std::size_t r = 0; r < kStripRows; ++r) {
        const std::size_t existing = row + std::min(r, count - 1);
        sources[r] = in.data + existing * in.stride + (from - origin) * channels;
        targets[r] = out.data + existing * out.stride + begin * channels;
      }
      interleave_rows(sources, span * channels, strip);
      for (std::size_t x = begin; x < end; ++x) {
        weighted(strip + (weights.first(x) - from) * pixel, pixel, weights, x, resampled + (x - begin) * pixel, pixel);
      }
      separate_rows(resampled, (end - begin) * channels, targets, count);
    }
  }
}

// The vertical pass over n columns: in, rows from input row `origin` on; out, weights.positions() rows.
template <class T>
void resample_rows(Rows<const T> in, std::size_t origin, std::size_t n, const Weights& weights, Rows<T> out) {
  for (std::size_t y = 0; y < weights.positions(); ++y) {
    weighted(in.data + (weights.first(y) - origin) * in.stride, in.stride, weights, y, out.data + y * out.stride, n);
  }
}

// Pillow 13 (unlike the versions before 12) takes the vertical pass first where the height shrinks by more than twice
// what the width does.
bool vertical_first(Size from, Size to) {
  const auto shrinks = [](std::size_t a, std::size_t b) { return static_cast<double>(a) - static_cast<double>(b); };
  return shrinks(from.height, to.height) > 0 && shrinks(from.height, to.height) > 2 * shrinks(from.width, to.width);
}

template <class T>
Tensor resize_as(const Tensor& pixels, Size size, Rectangle part, Filter filter) {
  const Size from{pixels.shape()[0], pixels.shape()[1]};
  const std::size_t channels = pixels.shape()[2], row_elements = part.size.width * channels;
  const Rows<const T> in{pixels.as<T>().data(), from.width * channels};
  Tensor result(pixels.dtype(), {part.size.height, part.size.width, channels});
  const Rows<T> out{result.template as<T>().data(), row_elements};

  // What part of the input each axis needs.
  const bool resize_width = size.width != from.width, resize_height = size.height != from.height;
  std::optional<Weights> across, down;
  std::size_t left = part.left, right = part.left + part.size.width, top = part.top,
              bottom = part.top + part.size.height;
  if (resize_width) {
    across.emplace(from.width, size.width, left, right, filter);
    left = across->first(0);
    right = across->last(part.size.width - 1);
  }
  if (resize_height) {
    down.emplace(from.height, size.height, top, bottom, filter);
    top = down->first(0);
    bottom = down->last(part.size.height - 1);
  }
  const std::size_t needed_elements = (right - left) * channels;
  const Rows<const T> needed{in.data + top * in.stride + left * channels, in.stride};

  if (!resize_width && !resize_height) {
    for (std::size_t row = 0; row < bottom - top; ++row) {
      std::copy_n(needed.data + row * needed.stride, row_elements, out.data + row * out.stride);
    }
  } else if (!resize_height) {
    resample_columns(needed, left, bottom - top, channels, *across, out);
  } else if (!resize_width) {
    resample_rows(needed, top, row_elements, *down, out);
  } else if (vertical_first(from, size)) {
    const auto memory = std::make_unique<T[]>(checked_mul(part.size.height, needed_elements, "a resized picture"));
    resample_rows(needed, top, needed_elements, *down, Rows<T>{memory.get(), needed_elements});
    resample_columns(Rows<const T>{memory.get(), needed_elements}, left, part.size.height, channels, *across, out);
  } else {
    const auto memory = std::make_unique<T[]>(checked_mul(bottom - top, row_elements, "a resized picture"));
    resample_columns(needed, left, bottom - top, channels, *across, Rows<T>{memory.get(), row_elements});
    resample_rows(Rows<const T>{memory.get(), row_elements}, top, row_elements, *down, out);
  }
  return result;
}

}  // namespace

std::string_view name_of(Filter filter) {
  switch (filter) {
    case Filter::bilinear:
      return "bilinear";
    case Filter::bicubic:
      return "bicubic";
  }
  throw std::logic_error("no name for this filter");
}

Filter filter_named(std::string_view name) {
  for (const Filter filter : {Filter::bilinear, Filter::bicubic}) {
    if (name == name_of(filter)) return filter;
  }
  throw UsageError("--filter", fmt::format("\"{}\" is not a filter", name), "bicubic or bilinear");
}

Tensor resize(const Tensor& pixels, Size size, Rectangle part, Filter filter) {
  if (pixels.shape().size() != 3 || pixels.empty() || part.size.height == 0 || part.size.width == 0 ||
      part.top + part.size.height > size.height || part.left + part.size.width > size.width) {
    throw std::logic_error("resize: not a picture, or a part that lies outside of it");
  }
  return pixels.dtype() == DType::u8 ? resize_as<std::uint8_t>(pixels, size, part, filter)
                                     : resize_as<float>(pixels, size, part, filter);
}

Tensor resize(const Tensor& pixels, Size size, Filter filter) { return resize(pixels, size, {0, 0, size}, filter); }

}  // namespace mt
