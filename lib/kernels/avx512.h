// Building blocks of the AVX-512 kernels: 16 floats at a time.
#pragma once

#include <immintrin.h>

// Functions that may use AVX-512 carry this, so that the rest of the library still runs on machines without it.
#define MT_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define MT_AVX512_INLINE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"), always_inline)) inline

namespace mt::avx512 {

// 1 / x to float precision: the 14-bit estimate and one Newton step.
MT_AVX512_INLINE __m512 reciprocal(__m512 x) {
  const __m512 r = _mm512_rcp14_ps(x);
  return _mm512_mul_ps(r, _mm512_fnmadd_ps(x, r, _mm512_set1_ps(2.0F)));
}

// erf, absolute error below 4e-7: a rational function on [-4, 4] (numerator degree 13, denominator degree 8, the
// minimax coefficients that Eigen and XLA use), constant outside. NaN stays NaN.
MT_AVX512_INLINE __m512 erf(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-4.0F), _mm512_min_ps(_mm512_set1_ps(4.0F), x));
  const __m512 x2 = _mm512_mul_ps(x, x);
  __m512 p = _mm512_set1_ps(-2.72614225801306e-10F);
  p = _mm512_fmadd_ps(p, x2, _mm512_set1_ps(2.77068142495902e-08F));
  p = _mm512_fmadd_ps(p, x2, _mm512_set1_ps(-2.10102402082508e-06F));
  p = _mm512_fmadd_ps(p, x2, _mm512_set1_ps(-5.69250639462346e-05F));
  p = _mm512_fmadd_ps(p, x2, _mm512_set1_ps(-7.34990630326855e-04F));
  p = _mm512_fmadd_ps(p, x2, _mm512_set1_ps(-2.95459980854025e-03F));
  p = _mm512_fmadd_ps(p, x2, _mm512_set1_ps(-1.60960333262415e-02F));
  __m512 q = _mm512_set1_ps(-1.45660718464996e-05F);
  q = _mm512_fmadd_ps(q, x2, _mm512_set1_ps(-2.13374055278905e-04F));
  q = _mm512_fmadd_ps(q, x2, _mm512_set1_ps(-1.68282697438203e-03F));
  q = _mm512_fmadd_ps(q, x2, _mm512_set1_ps(-7.37332916720468e-03F));
  q = _mm512_fmadd_ps(q, x2, _mm512_set1_ps(-1.42647390514189e-02F));
  return _mm512_mul_ps(_mm512_mul_ps(x, p), reciprocal(q));
}

// exp; inputs are held to [-87.3, 88]. Relative error below 2e-7 (degree 6 Taylor polynomial on [-ln 2 / 2, ln 2 / 2],
// Cody and Waite's two-part ln 2). NaN stays NaN.
MT_AVX512_INLINE __m512 exp(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-87.3F), _mm512_min_ps(_mm512_set1_ps(88.0F), x));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896F)), 0);
  __m512 f = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145751953125F), x);
  f = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.428606765330187e-06F), f);
  __m512 p = _mm512_set1_ps(1.0F / 720);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0F / 120));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0F / 24));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0F / 6));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.5F));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0F));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0F));
  return _mm512_scalef_ps(p, n);
}

// x * Phi(x), the exact (erf) GELU.
MT_AVX512_INLINE __m512 gelu(__m512 x) {
  const __m512 half = _mm512_mul_ps(x, _mm512_set1_ps(0.5F));
  return _mm512_fmadd_ps(half, erf(_mm512_mul_ps(x, _mm512_set1_ps(0.70710678118654752F))), half);
}

// x * sigmoid(1.702 x), OpenAI CLIP's QuickGELU.
MT_AVX512_INLINE __m512 quick_gelu(__m512 x) {
  const __m512 e = exp(_mm512_mul_ps(x, _mm512_set1_ps(-1.702F)));
  return _mm512_mul_ps(x, reciprocal(_mm512_add_ps(e, _mm512_set1_ps(1.0F))));
}

MT_AVX512_INLINE __m512 load_bf16(const void* p) {
  const __m256i half = _mm256_loadu_si256(static_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

// Rounds to nearest even in integer arithmetic, as to_bfloat16 does; NaN stays NaN.
MT_AVX512_INLINE __m256i to_bf16(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
}

}  // namespace mt::avx512
