// Log-mel filterbank energies as Kaldi's compute-fbank-feats and torchaudio.compliance.kaldi.fbank have them, without
// dither and energy, in double precision.
//
// Each frame of the signal: the mean is taken away, x[i] -= preemphasis * x[i - 1] (x[0] by itself), times the window,
// padded with zeros to a power of two, Fourier transformed; the power spectrum is summed under triangles that are
// equally wide on the mel scale 1127 ln(1 + f / 700); the natural logarithm is taken, of 1.1920929e-7 where the sum is
// less.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace mt {

enum class WindowShape : std::uint8_t { hanning, hamming, povey, blackman, rectangular };  // symmetric, as in Kaldi
std::string_view name_of(WindowShape shape);
WindowShape window_shape_named(std::string_view name);  // throws UsageError

struct FilterbankOptions {
  double sample_rate_hz = 16000;
  double frame_length_ms = 25, frame_shift_ms = 10;
  std::size_t bins = 128;
  double low_hz = 20, high_hz = 0;  // high_hz <= 0: below the Nyquist frequency by as much
  double preemphasis = 0.97;
  WindowShape window = WindowShape::hanning;
};

class Filterbank {
 public:
  // Throws UsageError: no bins, a frame shorter than two samples or longer than 2^20, a shift below one sample, edges
  // that are not 0 <= low < high <= Nyquist.
  explicit Filterbank(const FilterbankOptions& options);

  std::size_t bins() const { return begins_.size(); }
  std::size_t frame_samples() const { return window_.size(); }
  std::size_t shift_samples() const { return shift_; }
  // Whole frames in so many samples; what is left behind the last is dropped (Kaldi's snip-edges).
  std::size_t frames(std::size_t samples) const {
    return samples < frame_samples() ? 0 : 1 + (samples - frame_samples()) / shift_;
  }
  std::size_t samples(std::size_t frames) const { return frames == 0 ? 0 : (frames - 1) * shift_ + frame_samples(); }
  double center_hz(std::size_t bin) const { return centers_hz_[bin]; }

  // signal: full scale at +-1. out: [frames(signal.size()), bins()]. A frame's bytes depend on its own samples alone.
  // Callable from several threads at once. All kernels give the same bytes.
  void compute(std::span<const float> signal, std::span<float> out, const Kernels& with = kernels()) const;

 private:
  std::size_t shift_ = 0;
  double preemphasis_ = 0;
  std::vector<double> window_;
  std::vector<double> roots_;        // exp(-2 pi i k / n), interleaved, of the transform of n samples
  std::vector<std::size_t> places_;  // where the transform leaves each coefficient
  std::vector<double> weights_, centers_hz_;
  std::vector<std::size_t> begins_, ends_;  // each bin's part of the spectrum
};

}  // namespace mt
