// The numbers that kernels store and compute with. Kernels compile twice: by nvcc for cards, and by the host's compiler
// for tests, which run them thread by thread (kernels/cuda/thread.h).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/tensor.h"

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define MT_CARD __device__ __forceinline__
#define MT_UNROLL _Pragma("unroll")
#define MT_KEEP_LOOP _Pragma("unroll 1")
#else
#define MT_CARD inline
#define MT_UNROLL
#define MT_KEEP_LOOP
#endif

namespace mt::cuda {

// n numbers, 4, 8 or 16 bytes, that are moved at once; they lie on a multiple of their size.
template <class T, std::size_t n>
struct alignas(sizeof(T) * n) Pack {
  static_assert(sizeof(T) * n == 4 || sizeof(T) * n == 8 || sizeof(T) * n == 16);
  T at[n];
};

#if defined(__CUDACC__)
// Words of the card's own: the compiler does not always find that a pack is one.
template <std::size_t bytes>
using Word = std::conditional_t<bytes == 16, uint4, std::conditional_t<bytes == 8, uint2, std::uint32_t>>;

template <std::size_t n, class T>
MT_CARD Pack<T, n> load_pack(const T* from) {
  Pack<T, n> pack;
  const auto word = *reinterpret_cast<const Word<sizeof(pack)>*>(from);
  memcpy(&pack, &word, sizeof(word));
  return pack;
}

template <std::size_t n, class T>
MT_CARD void store_pack(T* to, const Pack<T, n>& pack) {
  Word<sizeof(pack)> word;
  memcpy(&word, &pack, sizeof(word));
  *reinterpret_cast<Word<sizeof(pack)>*>(to) = word;
}
#else
template <std::size_t n, class T>
Pack<T, n> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, n>*>(from);
}

template <std::size_t n, class T>
void store_pack(T* to, const Pack<T, n>& pack) {
  *reinterpret_cast<Pack<T, n>*>(to) = pack;
}
#endif

MT_CARD float widen(float x) { return x; }
#if defined(__CUDACC__)
MT_CARD float widen(BFloat16 x) { return __uint_as_float(static_cast<std::uint32_t>(x) << 16); }
MT_CARD float widen(Half x) { return __half2float(__ushort_as_half(static_cast<std::uint16_t>(x))); }
#else
inline float widen(BFloat16 x) { return to_float(x); }
inline float widen(Half x) { return to_float(x); }
#endif

// Rounds to the nearest number of type T, ties to even.
template <class T>
MT_CARD T narrow(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else if constexpr (std::is_same_v<T, BFloat16>) {
#if defined(__CUDACC__)
    return static_cast<BFloat16>(__bfloat16_as_ushort(__float2bfloat16_rn(x)));
#else
    return to_bfloat16(x);
#endif
  } else {
    static_assert(std::is_same_v<T, Half>);
#if defined(__CUDACC__)
    return static_cast<Half>(__half_as_ushort(__float2half_rn(x)));
#else
    return to_half(x);
#endif
  }
}

// Two numbers of 16 bits in one word, the first in its lower half.
template <class T>
MT_CARD std::uint32_t narrow_two(float first, float second) {
#if defined(__CUDACC__)
  std::uint32_t word;
  if constexpr (std::is_same_v<T, BFloat16>) {
    const __nv_bfloat162 two = __floats2bfloat162_rn(first, second);
    memcpy(&word, &two, sizeof(word));
  } else {
    const __half2 two = __floats2half2_rn(first, second);
    memcpy(&word, &two, sizeof(word));
  }
  return word;
#else
  return static_cast<std::uint32_t>(narrow<T>(first)) | static_cast<std::uint32_t>(narrow<T>(second)) << 16;
#endif
}

// 2^x within two units in the last place; results below 2^-126 are 0.
MT_CARD float power_of_two(float x) {
#if defined(__CUDACC__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

}  // namespace mt::cuda
