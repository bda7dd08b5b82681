// Four floats at once through the compiler's vector extension: SSE2, NEON, or whatever the baseline has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mt {

struct Generic {
  typedef float F __attribute__((vector_size(16)));
  typedef double D __attribute__((vector_size(16)));
  typedef std::int64_t L __attribute__((vector_size(16)));  // the bits of D
  typedef int I __attribute__((vector_size(16)));
  typedef std::uint32_t G __attribute__((vector_size(16)));  // four groups
  static constexpr std::size_t lanes = 4;
  static constexpr int tile_rows = 6, tile_vectors = 2;  // 12 accumulators of 16 registers

  static G no_groups() { return G{0, 0, 0, 0}; }
  static G set1_group(std::uint32_t x) { return G{x, x, x, x}; }
  static G load_groups(const void* p) {
    G x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
  static G load_first_groups(const void* p, std::size_t n) {
    G x = no_groups();
    std::memcpy(&x, p, n * sizeof(std::uint32_t));
    return x;
  }
  static void store_groups(void* p, G x) { std::memcpy(p, &x, sizeof x); }
  static F as_floats(G x) {
    F y;
    std::memcpy(&y, &x, sizeof y);
    return y;
  }
  static G as_groups(F x) {
    G y;
    std::memcpy(&y, &x, sizeof y);
    return y;
  }

  // sum + a b for each group.
  struct Float32 {
    static G step(G sum, G a, G b) { return as_groups(as_floats(a) * as_floats(b) + as_floats(sum)); }
  };

  static F zero() { return F{0, 0, 0, 0}; }
  static F set1(float x) { return F{x, x, x, x}; }
  static F load(const float* p) {
    F x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
  static void store(float* p, F x) { std::memcpy(p, &x, sizeof x); }
  static F load_first(const float* p, std::size_t n) {  // zeros behind
    F x = zero();
    std::memcpy(&x, p, n * sizeof(float));
    return x;
  }
  static void store_first(float* p, std::size_t n, F x) { std::memcpy(p, &x, n * sizeof(float)); }
  // The first n of x, the rest of other.
  static F blend_first(std::size_t n, F x, F other) {
    std::memcpy(&other, &x, n * sizeof(float));
    return other;
  }

  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F fma(F a, F b, F c) { return a * b + c; }
  // The second operand is returned when one is NaN.
  static F max(F a, F b) { return a > b ? a : b; }
  static F min(F a, F b) { return a < b ? a : b; }
  static F round(F a) {  // |a| < 2^22: adding and taking away 1.5 * 2^23 leaves the nearest whole number
    const F magic = set1(12582912.0f);
    return (a + magic) - magic;
  }
  static F scale_by_power(F a, F n) {  // a 2^n, n whole and in -126 .. 127
    const I shifted = (__builtin_convertvector(n, I) + 127) << 23;
    F power;
    std::memcpy(&power, &shifted, sizeof power);
    return a * power;
  }
  static float sum(F a) { return (a[0] + a[2]) + (a[1] + a[3]); }
  static float largest(F a) {
    const float x = a[0] > a[2] ? a[0] : a[2], y = a[1] > a[3] ? a[1] : a[3];
    return x > y ? x : y;
  }

  // r[i][j] becomes r[j][i].
  static void transpose(G* r) {
    const G a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    const G c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    r[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    r[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    r[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    r[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
  }
};

}  // namespace mt
