// The innermost product: a few rows times a few vectors of columns, all sums in registers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace mt {

// c[i][j] = sum over k of a[i][k] b[k][j] for i < Rows, j < Vectors * lanes, in groups, as Arithmetic multiplies them.
// Each sum runs over k from 0 upwards by itself, so an element's bytes do not depend on how many rows or vectors share
// the tile.
template <class V, class Arithmetic, int Rows, int Vectors>
[[gnu::noinline]] void tile(std::size_t depth, const Group* a, std::size_t a_stride, const Group* b,
                            std::size_t b_stride, Group* c, std::size_t c_stride) {
  typename V::G sums[Rows][Vectors];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) sums[i][j] = V::no_groups();
  }
#pragma GCC unroll 2
  for (std::size_t k = 0; k < depth; ++k) {
    typename V::G row[Vectors];
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) {
      const Group* p = b + k * b_stride + static_cast<std::size_t>(j) * V::lanes;
      __builtin_prefetch(p + 8 * b_stride);  // panels come from the second-level cache
      row[j] = V::load_groups(p);
    }
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const auto group = V::set1_group(a[static_cast<std::size_t>(i) * a_stride + k]);
#pragma GCC unroll 8
      for (int j = 0; j < Vectors; ++j) sums[i][j] = Arithmetic::step(sums[i][j], group, row[j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) {
      V::store_groups(c + static_cast<std::size_t>(i) * c_stride + static_cast<std::size_t>(j) * V::lanes, sums[i][j]);
    }
  }
}

using TileFunction = void (*)(std::size_t, const Group*, std::size_t, const Group*, std::size_t, Group*, std::size_t);

// Tile functions by rows (1 .. 6) and vectors (1 .. V::tile_vectors).
template <class V, class Arithmetic>
struct Tiles {
  template <int Vectors>
  static TileFunction with(std::size_t rows) {
    static constexpr TileFunction by_rows[6] = {tile<V, Arithmetic, 1, Vectors>, tile<V, Arithmetic, 2, Vectors>,
                                                tile<V, Arithmetic, 3, Vectors>, tile<V, Arithmetic, 4, Vectors>,
                                                tile<V, Arithmetic, 5, Vectors>, tile<V, Arithmetic, 6, Vectors>};
    return by_rows[rows - 1];
  }
  static TileFunction get(std::size_t rows, std::size_t vectors) {
    if constexpr (V::tile_vectors == 4) {
      if (vectors == 4) return with<4>(rows);
      if (vectors == 3) return with<3>(rows);
    }
    return vectors == 2 ? with<2>(rows) : with<1>(rows);
  }
};

}  // namespace mt
