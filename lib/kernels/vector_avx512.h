// Sixteen floats at once. Only sources compiled for AVX-512 include this.
#pragma once

#include <immintrin.h>

#include <cstddef>

namespace mt {

struct Avx512 {
  using F = __m512;
  static constexpr std::size_t lanes = 16;
  static constexpr int tile_rows = 6, tile_vectors = 4;  // 24 accumulators, 4 + 6 loads a step

  static F zero() { return _mm512_setzero_ps(); }
  static F set1(float x) { return _mm512_set1_ps(x); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static __mmask16 first(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1); }            // n < 16
  static F load_first(const float* p, std::size_t n) { return _mm512_maskz_loadu_ps(first(n), p); }  // zeros behind
  static void store_first(float* p, std::size_t n, F x) { _mm512_mask_storeu_ps(p, first(n), x); }
  // The first n of x, the rest of other.
  static F blend_first(std::size_t n, F x, F other) { return _mm512_mask_mov_ps(other, first(n), x); }

  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }  // a b + c
  // The second operand is returned when one is NaN.
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F round(F a) { return _mm512_roundscale_ps(a, 0); }
  static F scale_by_power(F a, F n) { return _mm512_scalef_ps(a, n); }  // a 2^n, n whole
  static float sum(F a) { return _mm512_reduce_add_ps(a); }
  static float largest(F a) { return _mm512_reduce_max_ps(a); }

  // r[i][j] becomes r[j][i].
  static void transpose(F* r) {
    __m512i t[16], s[16];
    for (int i = 0; i < 8; ++i) {
      t[2 * i] = _mm512_castps_si512(_mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]));
      t[2 * i + 1] = _mm512_castps_si512(_mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]));
    }
    for (int i = 0; i < 4; ++i) {
      s[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
      s[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
      s[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
      s[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm512_shuffle_i32x4(s[i], s[i + 4], 0x88);
      t[i + 4] = _mm512_shuffle_i32x4(s[i], s[i + 4], 0xdd);
      t[i + 8] = _mm512_shuffle_i32x4(s[i + 8], s[i + 12], 0x88);
      t[i + 12] = _mm512_shuffle_i32x4(s[i + 8], s[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; ++i) {
      r[i] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(t[i], t[i + 8], 0x88));
      r[i + 8] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd));
    }
  }
};

}  // namespace mt
