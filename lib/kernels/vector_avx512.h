// Sixteen floats at once. Only sources compiled for AVX-512 include this.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace mt {

struct Avx512 {
  using F = __m512;
  typedef double D __attribute__((vector_size(64)));
  typedef std::int64_t L __attribute__((vector_size(64)));  // the bits of D
  using G = __m512i;                                        // sixteen groups
  static constexpr std::size_t lanes = 16;
  static constexpr int tile_rows = 8, tile_vectors = 3;  // 24 accumulators, 3 + 8 loads a step

  static F zero() { return _mm512_setzero_ps(); }
  static G no_groups() { return _mm512_setzero_si512(); }
  static G set1_group(std::uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  static G load_groups(const void* p) { return _mm512_loadu_si512(p); }
  static G load_first_groups(const void* p, std::size_t n) { return _mm512_maskz_loadu_epi32(first(n), p); }
  static void store_groups(void* p, G x) { _mm512_storeu_si512(p, x); }
  static F as_floats(G x) { return _mm512_castsi512_ps(x); }
  static F to_floats(G integers) { return _mm512_cvtepi32_ps(integers); }
  // The first and the second of pairs of bfloat16, as float32.
  static G first_of_pairs(G pairs) { return _mm512_slli_epi32(pairs, 16); }
  static G second_of_pairs(G pairs) {
    return _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000u)));
  }
  static G sub_integers(G a, G b) { return _mm512_sub_epi32(a, b); }

  // sum + a b for each group.
  struct Float32 {
    static G step(G sum, G a, G b) {
      return _mm512_castps_si512(
          _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), _mm512_castsi512_ps(sum)));
    }
  };
  struct Int16Pairs {
    static G step(G sum, G a, G b) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }
  };

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
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }  // a b + c
  // The second operand is returned when one is NaN.
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F round(F a) { return _mm512_roundscale_ps(a, 0); }
  static F scale_by_power(F a, F n) { return _mm512_scalef_ps(a, n); }  // a 2^n, n whole
  static float sum(F a) { return _mm512_reduce_add_ps(a); }
  static float largest(F a) { return _mm512_reduce_max_ps(a); }

  static bool any_nan(F a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) != 0; }
  // Sixteen whole numbers in -127 .. 127 as 16-bit integers.
  static void store_int16(void* p, F x) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x)));
  }

  // r[i][j] becomes r[j][i].
  static void transpose(G* r) {
    __m512i t[16], s[16];
    for (int i = 0; i < 8; ++i) {
      t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
      t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
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
      r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
      r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
  }
};

#if defined(__AVX512VNNI__)
struct Avx512Vnni : Avx512 {
  // Bytes of a hold the value + 128, those of b are signed.
  struct Bytes {
    static G step(G sum, G a, G b) { return _mm512_dpbusd_epi32(sum, a, b); }
  };
  static void store_bytes(void* p, F x) {
    const __m128i bytes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x));
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm_xor_si128(bytes, _mm_set1_epi8(-128)));
  }
};
#endif

#if defined(__AVX512BF16__)
struct Avx512Bf16 : Avx512Vnni {
  struct BFloat16Pairs {
    static G step(G sum, G a, G b) {
      return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)a, (__m512bh)b));
    }
  };
  static F load_narrow(const std::uint16_t* p) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  }
  static void store_narrow(std::uint16_t* p, F x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh(x));
  }
  static void store_first_narrow(std::uint16_t* p, std::size_t n, F x) {
    _mm256_mask_storeu_epi16(p, first(n), (__m256i)_mm512_cvtneps_pbh(x));
  }
};
#endif

}  // namespace mt
