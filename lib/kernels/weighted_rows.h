// Weighted sums of rows, the inner loop of resampling: out[i] = sum over t of weight[t] * rows[t * stride + i].
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mt {

// Fixed-point weights have 22 fractional bits. Two neighbouring taps share a word of each half, so that one 16-bit
// multiply-add takes both: weight = high * 2048 + low, the even tap in the lower 16 bits.
struct FixedWeights {
  std::span<const std::int32_t> low, high;  // [(taps + 1) / 2]
  std::size_t taps = 0;
};
inline constexpr int kWeightBits = 22;
// Splits weights [taps] (|weight| < 2^25) into pairs [(taps + 1) / 2]; an odd last tap is paired with weight 0.
void split_weights(std::span<const std::int32_t> weights, std::span<std::int32_t> low, std::span<std::int32_t> high);

// Rounded to nearest and clamped to 0..255; out must not overlap the rows. Exact: every instruction set gives the same
// bytes.
void weighted_rows(const std::uint8_t* rows, std::size_t stride, const FixedWeights& weights, std::uint8_t* out,
                   std::size_t n);

// Summed in double precision in the order of the taps, rounded once: every instruction set gives the same bytes.
void weighted_rows(const float* rows, std::size_t stride, std::span<const double> weights, float* out, std::size_t n);

// Columns [0, n) of sixteen rows turned on their side: out[j * 16 + r] = rows[r][j].
void interleave_rows(const std::uint8_t* const (&rows)[16], std::size_t n, std::uint8_t* out);
void interleave_rows(const float* const (&rows)[16], std::size_t n, float* out);
// The reverse, for the first count rows.
void separate_rows(const std::uint8_t* in, std::size_t n, std::uint8_t* const (&rows)[16], std::size_t count);
void separate_rows(const float* in, std::size_t n, float* const (&rows)[16], std::size_t count);

}  // namespace mt
