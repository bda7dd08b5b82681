#include "tokenize/audio/filterbank.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/aligned.h"

namespace mt {

namespace {

constexpr double kFloor = 1.1920928955078125e-7;  // float32's epsilon, under which the logarithm is not taken
constexpr std::size_t kMostSamples = std::size_t{1} << 20;

double mel_of(double hz) { return 1127.0 * std::log(1.0 + hz / 700.0); }
double hz_of(double mel) { return 700.0 * (std::exp(mel / 1127.0) - 1.0); }

// Kaldi's feature-window.cc.
double window_at(WindowShape shape, std::size_t i, std::size_t length) {
  const double a = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(length - 1);
  switch (shape) {
    case WindowShape::hanning:
      return 0.5 - 0.5 * std::cos(a);
    case WindowShape::hamming:
      return 0.54 - 0.46 * std::cos(a);
    case WindowShape::povey:
      return std::pow(0.5 - 0.5 * std::cos(a), 0.85);
    case WindowShape::blackman:
      return 0.42 - 0.5 * std::cos(a) + 0.08 * std::cos(2 * a);
    case WindowShape::rectangular:
      return 1.0;
  }
  throw std::logic_error("no such window");
}

// Where the kernel's transform leaves coefficient k of n: fours' digits first, a two last.
std::size_t place_of(std::size_t k, std::size_t n) {
  std::size_t place = 0;
  for (; n >= 4; n /= 4) {
    place += k % 4 * (n / 4);
    k /= 4;
  }
  return place + (n == 2 ? k % 2 : 0);
}

}  // namespace

std::string_view name_of(WindowShape shape) {
  switch (shape) {
    case WindowShape::hanning:
      return "hanning";
    case WindowShape::hamming:
      return "hamming";
    case WindowShape::povey:
      return "povey";
    case WindowShape::blackman:
      return "blackman";
    case WindowShape::rectangular:
      return "rectangular";
  }
  throw std::logic_error("no name for this window");
}

WindowShape window_shape_named(std::string_view name) {
  for (const WindowShape shape : {WindowShape::hanning, WindowShape::hamming, WindowShape::povey, WindowShape::blackman,
                                  WindowShape::rectangular}) {
    if (name == name_of(shape)) return shape;
  }
  throw UsageError("--window-shape", fmt::format("\"{}\" is no window", name),
                   "hanning, hamming, povey, blackman or rectangular");
}

Filterbank::Filterbank(const FilterbankOptions& options) : preemphasis_(options.preemphasis) {
  const double nyquist = options.sample_rate_hz / 2;
  const double high = options.high_hz > 0 ? options.high_hz : nyquist + options.high_hz;
  const double length = options.sample_rate_hz * options.frame_length_ms / 1000;
  const double shift = options.sample_rate_hz * options.frame_shift_ms / 1000;
  if (!(length >= 2) || !(length <= kMostSamples) || !(shift >= 1) || !(shift <= 1e9)) {
    throw UsageError("--frame-length",
                     fmt::format("{} ms every {} ms at {} Hz make {:.0f} samples every {:.0f}", options.frame_length_ms,
                                 options.frame_shift_ms, options.sample_rate_hz, length, shift));
  }
  if (!(options.low_hz >= 0 && options.low_hz < high && high <= nyquist)) {
    throw UsageError("--high-frequency", fmt::format("bins from {} Hz to {} Hz do not lie within 0 to {} Hz",
                                                     options.low_hz, high, nyquist));
  }
  if (options.bins == 0 || options.bins > 4096) throw UsageError("--bins", "takes 1 to 4096");
  const auto samples = static_cast<std::size_t>(length);
  shift_ = static_cast<std::size_t>(shift);
  const std::size_t padded = std::max<std::size_t>(4, std::bit_ceil(samples));
  for (std::size_t i = 0; i < samples; ++i) window_.push_back(window_at(options.window, i, samples));

  const std::size_t half = padded / 2;
  for (std::size_t k = 0; k < padded; ++k) {
    const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(padded);
    roots_.push_back(std::cos(angle));
    roots_.push_back(std::sin(angle));
  }
  for (std::size_t k = 0; k < half; ++k) places_.push_back(place_of(k, half));

  // Kaldi's mel-computations.cc: the Nyquist coefficient itself belongs to no filter.
  const double low_mel = mel_of(options.low_hz),
               step = (mel_of(high) - low_mel) / static_cast<double>(options.bins + 1);
  for (std::size_t bin = 0; bin < options.bins; ++bin) {
    const double left = low_mel + static_cast<double>(bin) * step, center = left + step, right = center + step;
    centers_hz_.push_back(hz_of(center));
    std::size_t begin = 0, end = 0;
    for (std::size_t k = 0; k < half; ++k) {
      const double mel = mel_of(options.sample_rate_hz * static_cast<double>(k) / static_cast<double>(padded));
      if (!(mel > left && mel < right)) continue;
      if (end == 0) begin = k;
      end = k + 1;
      weights_.push_back(mel <= center ? (mel - left) / (center - left) : (right - mel) / (right - center));
    }
    begins_.push_back(begin);
    ends_.push_back(end);
  }
}

void Filterbank::compute(std::span<const float> signal, std::span<float> out, const Kernels& with) const {
  FilterbankCall call;
  call.signal = signal.data();
  call.frames = frames(signal.size());
  call.shift = shift_;
  call.length = window_.size();
  call.preemphasis = preemphasis_;
  call.window = window_.data();
  call.half = places_.size();
  call.roots = roots_.data();
  call.places = places_.data();
  call.bins = bins();
  call.begins = begins_.data();
  call.ends = ends_.data();
  call.weights = weights_.data();
  call.floor = kFloor;
  call.out = out.data();
  if (out.size() != call.frames * call.bins) throw std::logic_error("Filterbank: out is no [frames, bins]");
  Aligned<double> scratch(filterbank_scratch(call.half));
  call.scratch = scratch.data();
  with.filterbank(call);
}

}  // namespace mt
