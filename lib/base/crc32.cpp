// crc32_of of digest.h. Checkpoints of a gigabyte are checked before they are used, and zlib's own takes a second for
// it.
#include <zlib.h>

#include "base/digest.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mt {

namespace {

std::uint32_t by_zlib(std::span<const std::byte> bytes, std::uint32_t previous) {
  return static_cast<std::uint32_t>(
      crc32_z(previous, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

#if defined(__x86_64__)

#define MT_CARRYLESS __attribute__((target("pclmul,sse4.1")))

MT_CARRYLESS __m128i load(const std::byte* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }

// Moves x over the distance that the constants in by stand for, and adds next.
MT_CARRYLESS __m128i fold(__m128i x, __m128i by, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(x, by, 0x00), high = _mm_clmulepi64_si128(x, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009: four lanes of
// 128 bits, folded into one, reduced by Barrett's method. The constants are the paper's for the reflected 0x04C11DB7.
// bytes: a multiple of 16, at least 64.
MT_CARRYLESS std::uint32_t by_folding(std::span<const std::byte> bytes, std::uint32_t previous) {
  const __m128i by_64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4), by_16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  const std::byte* at = bytes.data();
  const std::byte* const end = at + bytes.size();
  __m128i lanes[4];
  for (int i = 0; i < 4; ++i) lanes[i] = load(at + 16 * i);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(~previous)));
  for (at += 64; end - at >= 64; at += 64) {
    for (int i = 0; i < 4; ++i) lanes[i] = fold(lanes[i], by_64, load(at + 16 * i));
  }
  __m128i x = lanes[0];
  for (int i = 1; i < 4; ++i) x = fold(x, by_16, lanes[i]);
  for (; at < end; at += 16) x = fold(x, by_16, load(at));

  const __m128i words = _mm_setr_epi32(-1, 0, -1, 0);
  x = _mm_xor_si128(_mm_srli_si128(x, 8), _mm_clmulepi64_si128(x, by_16, 0x10));  // 128 bits to 96
  const __m128i high = _mm_srli_si128(x, 4);                                      // and to 64
  x = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(x, words), _mm_set_epi64x(0, 0x0163cd6124), 0x00), high);
  const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
  __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(x, words), barrett, 0x10);
  quotient = _mm_clmulepi64_si128(_mm_and_si128(quotient, words), barrett, 0x00);
  return ~static_cast<std::uint32_t>(_mm_extract_epi32(_mm_xor_si128(x, quotient), 1));
}

#undef MT_CARRYLESS

bool folds() {
  static const bool can = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  return can;
}

#endif

}  // namespace

std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t previous) {
#if defined(__x86_64__)
  constexpr std::size_t kLeast = 64, kStep = 16;
  if (bytes.size() >= kLeast && folds()) {
    const std::size_t whole = bytes.size() / kStep * kStep;
    previous = by_folding(bytes.first(whole), previous);
    bytes = bytes.subspan(whole);
  }
#endif
  return by_zlib(bytes, previous);
}

}  // namespace mt
