#include "kernels/weighted_rows.h"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/isa.h"

namespace mt {

namespace {

constexpr int kLowBits = 11;
constexpr std::int32_t kLowMask = (1 << kLowBits) - 1, kHalf = 1 << (kWeightBits - 1);

std::int32_t word(std::int32_t even, std::int32_t odd) {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(odd) << 16) |
                                   (static_cast<std::uint32_t>(even) & 0xffffU));
}

std::int32_t weight_of(const FixedWeights& weights, std::size_t tap) {
  const int shift = tap % 2 == 0 ? 0 : 16;
  const auto half = [&](std::int32_t pair) { return static_cast<std::int16_t>(pair >> shift); };
  return half(weights.high[tap / 2]) * (1 << kLowBits) + half(weights.low[tap / 2]);
}

// Columns [begin, n).
void weighted_plain(const std::uint8_t* rows, std::size_t stride, const FixedWeights& weights, std::uint8_t* out,
                    std::size_t begin, std::size_t n) {
  for (std::size_t i = begin; i < n; i += 16) {
    const std::size_t lanes = std::min<std::size_t>(16, n - i);
    std::array<std::int32_t, 16> sums;
    sums.fill(kHalf);
    for (std::size_t tap = 0; tap < weights.taps; ++tap) {
      const std::int32_t weight = weight_of(weights, tap);
      for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += weight * rows[tap * stride + i + lane];
    }
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      out[i + lane] = static_cast<std::uint8_t>(std::clamp(sums[lane] >> kWeightBits, 0, 255));
    }
  }
}

[[gnu::always_inline]] inline void weighted_block(const float* rows, std::size_t stride,
                                                  std::span<const double> weights, float* out, std::size_t n) {
  std::array<double, 16> sums{};
  for (const double weight : weights) {
    for (std::size_t lane = 0; lane < n; ++lane) sums[lane] += weight * static_cast<double>(rows[lane]);
    rows += stride;
  }
  for (std::size_t lane = 0; lane < n; ++lane) out[lane] = static_cast<float>(sums[lane]);
}

[[gnu::always_inline]] inline void weighted_f32(const float* rows, std::size_t stride, std::span<const double> weights,
                                                float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) weighted_block(rows + i, stride, weights, out + i, 16);
  if (i < n) weighted_block(rows + i, stride, weights, out + i, n - i);
}

#if defined(__x86_64__)

[[gnu::target("avx2"), gnu::always_inline]] inline __m128i loaded(const std::uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

// Four times eight sums of sixteen columns: by the low and by the high halves of the weights.
struct Sums {
  __m256i low0, low1, high0, high1;
};

// Adds sixteen bytes of two rows: side by side, widened to 16 bits, against the weights of both rows at once.
[[gnu::target("avx2"), gnu::always_inline]] inline void add_pair(Sums& sums, __m128i even, __m128i odd,
                                                                 std::int32_t low, std::int32_t high) {
  const __m256i left = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(even, odd));
  const __m256i right = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(even, odd));
  const __m256i l = _mm256_set1_epi32(low), h = _mm256_set1_epi32(high);
  sums.low0 = _mm256_add_epi32(sums.low0, _mm256_madd_epi16(left, l));
  sums.low1 = _mm256_add_epi32(sums.low1, _mm256_madd_epi16(right, l));
  sums.high0 = _mm256_add_epi32(sums.high0, _mm256_madd_epi16(left, h));
  sums.high1 = _mm256_add_epi32(sums.high1, _mm256_madd_epi16(right, h));
}

[[gnu::target("avx2"), gnu::always_inline]] inline void weighted_block(const std::uint8_t* row, std::size_t stride,
                                                                       const FixedWeights& weights, std::uint8_t* out) {
  const __m256i half = _mm256_set1_epi32(kHalf), zero = _mm256_setzero_si256();
  Sums sums{half, half, zero, zero};
  const std::int32_t *low = weights.low.data(), *high = weights.high.data();
  const std::size_t pairs = weights.taps / 2;
  for (std::size_t pair = 0; pair < pairs; ++pair, row += 2 * stride) {
    add_pair(sums, loaded(row), loaded(row + stride), low[pair], high[pair]);
  }
  if (weights.taps % 2 != 0) add_pair(sums, loaded(row), _mm_setzero_si128(), low[pairs], high[pairs]);
  const __m256i sum0 =
      _mm256_srai_epi32(_mm256_add_epi32(sums.low0, _mm256_slli_epi32(sums.high0, kLowBits)), kWeightBits);
  const __m256i sum1 =
      _mm256_srai_epi32(_mm256_add_epi32(sums.low1, _mm256_slli_epi32(sums.high1, kLowBits)), kWeightBits);
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(sum0, sum1), 0xD8);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
}

[[gnu::target("avx2")]] void weighted_avx2(const std::uint8_t* rows, std::size_t stride, const FixedWeights& weights,
                                           std::uint8_t* out, std::size_t n) {
  if (n < 16) return weighted_plain(rows, stride, weights, out, 0, n);
  for (std::size_t i = 0; i + 16 <= n; i += 16) weighted_block(rows + i, stride, weights, out + i);
  // The last columns once more as a whole block, which gives the same bytes again.
  if (n % 16 != 0) weighted_block(rows + n - 16, stride, weights, out + n - 16);
}

[[gnu::target("avx2")]] void weighted_f32_avx2(const float* rows, std::size_t stride, std::span<const double> weights,
                                               float* out, std::size_t n) {
  weighted_f32(rows, stride, weights, out, n);
}

// 16 x 16 bytes turned on their side by four rounds of pairwise merging.
void transpose16(__m128i (&block)[16]) {
  __m128i next[16];
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = _mm_unpacklo_epi8(block[i], block[i + 8]);
      next[2 * i + 1] = _mm_unpackhi_epi8(block[i], block[i + 8]);
    }
    for (int i = 0; i < 16; ++i) block[i] = next[i];
  }
}

#endif

template <class T>
void interleave_plain(const T* const (&rows)[16], std::size_t begin, std::size_t n, T* out) {
  for (std::size_t j = begin; j < n; ++j) {
    for (std::size_t r = 0; r < 16; ++r) out[j * 16 + r] = rows[r][j];
  }
}

template <class T>
void separate_plain(const T* in, std::size_t begin, std::size_t n, T* const (&rows)[16], std::size_t count) {
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t j = begin; j < n; ++j) rows[r][j] = in[j * 16 + r];
  }
}

}  // namespace

void split_weights(std::span<const std::int32_t> weights, std::span<std::int32_t> low, std::span<std::int32_t> high) {
  for (std::size_t pair = 0; pair < low.size(); ++pair) {
    const std::int32_t even = weights[2 * pair];
    const std::int32_t odd = 2 * pair + 1 < weights.size() ? weights[2 * pair + 1] : 0;
    low[pair] = word(even & kLowMask, odd & kLowMask);
    high[pair] = word(even >> kLowBits, odd >> kLowBits);
  }
}

void weighted_rows(const std::uint8_t* rows, std::size_t stride, const FixedWeights& weights, std::uint8_t* out,
                   std::size_t n) {
#if defined(__x86_64__)
  if (machine_isa() >= Isa::avx2) return weighted_avx2(rows, stride, weights, out, n);
#endif
  weighted_plain(rows, stride, weights, out, 0, n);
}

void weighted_rows(const float* rows, std::size_t stride, std::span<const double> weights, float* out, std::size_t n) {
#if defined(__x86_64__)
  if (machine_isa() >= Isa::avx2) return weighted_f32_avx2(rows, stride, weights, out, n);
#endif
  weighted_f32(rows, stride, weights, out, n);
}

void interleave_rows(const std::uint8_t* const (&rows)[16], std::size_t n, std::uint8_t* out) {
  std::size_t j = 0;
#if defined(__x86_64__)
  for (; j + 16 <= n; j += 16) {
    __m128i block[16];
    for (int r = 0; r < 16; ++r) block[r] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[r] + j));
    transpose16(block);
    for (int r = 0; r < 16; ++r) _mm_storeu_si128(reinterpret_cast<__m128i*>(out + j * 16) + r, block[r]);
  }
#endif
  interleave_plain(rows, j, n, out);
}

void interleave_rows(const float* const (&rows)[16], std::size_t n, float* out) { interleave_plain(rows, 0, n, out); }

void separate_rows(const std::uint8_t* in, std::size_t n, std::uint8_t* const (&rows)[16], std::size_t count) {
  std::size_t j = 0;
#if defined(__x86_64__)
  for (; j + 16 <= n; j += 16) {
    __m128i block[16];
    for (int r = 0; r < 16; ++r) block[r] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + j * 16) + r);
    transpose16(block);
    for (std::size_t r = 0; r < count; ++r) _mm_storeu_si128(reinterpret_cast<__m128i*>(rows[r] + j), block[r]);
  }
#endif
  separate_plain(in, j, n, rows, count);
}

void separate_rows(const float* in, std::size_t n, float* const (&rows)[16], std::size_t count) {
  separate_plain(in, 0, n, rows, count);
}

}  // namespace mt
