// The innermost product with a transposed left operand: c[i][j] = sum over k of a[k][i] b[k][j], all sums in registers.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace mt {

// c = a^T b, or c += a^T b where it goes on; a: [depth, rows], b: [depth, columns], c: [rows, columns], their rows
// strides apart.
struct TransposedTileCall {
  std::size_t depth = 0;
  const float* a = nullptr;
  std::size_t a_stride = 0;
  const float* b = nullptr;
  std::size_t b_stride = 0;
  float* c = nullptr;
  std::size_t c_stride = 0;
  bool goes_on = false;
};

// Each sum runs over k from 0 upwards by itself, as in tile.h.
template <class V, int Rows, int Vectors>
[[gnu::noinline]] void transposed_tile(const TransposedTileCall& call) {
  typename V::F sums[Rows][Vectors];
  const auto at = [&](int i, int j) {
    return call.c + static_cast<std::size_t>(i) * call.c_stride + static_cast<std::size_t>(j) * V::lanes;
  };
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) sums[i][j] = call.goes_on ? V::load(at(i, j)) : V::zero();
  }
  const float *a = call.a, *b = call.b;
#pragma GCC unroll 2
  for (std::size_t k = 0; k < call.depth; ++k, a += call.a_stride, b += call.b_stride) {
    typename V::F row[Vectors];
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) row[j] = V::load(b + static_cast<std::size_t>(j) * V::lanes);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const auto factor = V::set1(a[i]);
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) sums[i][j] = V::fma(factor, row[j], sums[i][j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) V::store(at(i, j), sums[i][j]);
  }
}

using TransposedTileFunction = void (*)(const TransposedTileCall&);

// By rows (1 .. V::tile_rows) and vectors (1 .. V::tile_vectors).
template <class V>
struct TransposedTiles {
  template <int Rows, int Vectors>
  static constexpr TransposedTileFunction cell() {
    if constexpr (Rows <= V::tile_rows) return transposed_tile<V, Rows, Vectors>;
    return nullptr;
  }
  template <int Vectors>
  static TransposedTileFunction with(std::size_t rows) {
    static constexpr TransposedTileFunction by_rows[kMostTileRows] = {
        cell<1, Vectors>(), cell<2, Vectors>(), cell<3, Vectors>(), cell<4, Vectors>(),
        cell<5, Vectors>(), cell<6, Vectors>(), cell<7, Vectors>(), cell<8, Vectors>()};
    return by_rows[rows - 1];
  }
  static TransposedTileFunction get(std::size_t rows, std::size_t vectors) {
    if constexpr (V::tile_vectors == 3) {
      if (vectors == 3) return with<3>(rows);
    }
    return vectors == 2 ? with<2>(rows) : with<1>(rows);
  }
};

}  // namespace mt
