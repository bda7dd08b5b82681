// Eight floats at once. Only sources compiled for AVX2 and FMA include this.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace mt {

struct Avx2 {
  using F = __m256;
  typedef double D __attribute__((vector_size(32)));
  typedef std::int64_t L __attribute__((vector_size(32)));  // the bits of D
  using G = __m256i;                                        // eight groups
  static constexpr std::size_t lanes = 8;
  static constexpr int tile_rows = 6, tile_vectors = 2;  // 12 accumulators of 16 registers

  static F zero() { return _mm256_setzero_ps(); }
  static G no_groups() { return _mm256_setzero_si256(); }
  static G set1_group(std::uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  static G load_groups(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static G load_first_groups(const void* p, std::size_t n) {
    return _mm256_maskload_epi32(static_cast<const int*>(p), first(n));
  }
  static void store_groups(void* p, G x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
  static F as_floats(G x) { return _mm256_castsi256_ps(x); }
  static F to_floats(G integers) { return _mm256_cvtepi32_ps(integers); }
  static G sub_integers(G a, G b) { return _mm256_sub_epi32(a, b); }

  // sum + a b for each group.
  struct Float32 {
    static G step(G sum, G a, G b) {
      return _mm256_castps_si256(
          _mm256_fmadd_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), _mm256_castsi256_ps(sum)));
    }
  };
  // Products of bytes would saturate in 16 bits (vpmaddubsw); pairs of 16-bit integers cannot.
  struct Int16Pairs {
    static G step(G sum, G a, G b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
  };

  static F set1(float x) { return _mm256_set1_ps(x); }
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static __m256i first(std::size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static F load_first(const float* p, std::size_t n) { return _mm256_maskload_ps(p, first(n)); }  // zeros behind
  static void store_first(float* p, std::size_t n, F x) { _mm256_maskstore_ps(p, first(n), x); }
  // The first n of x, the rest of other.
  static F blend_first(std::size_t n, F x, F other) {
    return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(first(n)));
  }

  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F abs(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }  // a b + c
  // The second operand is returned when one is NaN.
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F round(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F scale_by_power(F a, F n) {  // a 2^n, n whole and in -126 .. 127
    const __m256i shifted = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(a, _mm256_castsi256_ps(shifted));
  }
  static float sum(F a) {
    __m128 h = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_shuffle_ps(h, h, 1)));
  }
  static float largest(F a) {
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
  }

  static bool any_nan(F a) { return _mm256_movemask_ps(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)) != 0; }
  // Eight whole numbers in -127 .. 127 as 16-bit integers.
  static void store_int16(void* p, F x) {
    const __m256i integers = _mm256_cvtps_epi32(x);
    const __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
    _mm_storeu_si128(static_cast<__m128i*>(p), packed);
  }

  // r[i][j] becomes r[j][i].
  static void transpose(G* r) {
    G t[8], s[8];
    for (int i = 0; i < 4; ++i) {
      t[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
      t[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; ++i) {
      s[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
      s[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
      s[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
      s[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
      r[i] = _mm256_permute2x128_si256(s[i], s[i + 4], 0x20);
      r[i + 4] = _mm256_permute2x128_si256(s[i], s[i + 4], 0x31);
    }
  }
};

}  // namespace mt
