// The innermost product: a few rows times a few vectors of columns, all sums in registers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace mt {

// c = a b, or c += a b where it goes on with sums of an earlier part of the depth; all in groups.
struct TileCall {
  std::size_t depth = 0;
  const Group* a = nullptr;  // [rows, depth], rows a_stride apart
  std::size_t a_stride = 0;
  const Group* b = nullptr;  // [depth, columns], rows b_stride apart
  std::size_t b_stride = 0;
  Group* c = nullptr;  // [rows, columns], rows c_stride apart
  std::size_t c_stride = 0;
  bool goes_on = false;
  // What is multiplied later: a line of it is brought into the second-level cache in each step, ahead_step bytes on.
  const char* ahead = nullptr;
  std::size_t ahead_step = 0;
};

// c[i][j] = sum over k of a[i][k] b[k][j] for i < Rows, j < Vectors * lanes, as Arithmetic multiplies groups. Each sum
// runs over k from 0 upwards by itself, so an element's bytes depend neither on how many rows or vectors share the
// tile, nor on where the depth is cut.
template <class V, class Arithmetic, int Rows, int Vectors>
[[gnu::noinline]] void tile(const TileCall& call) {
  typename V::G sums[Rows][Vectors];
  const auto at = [&](int i, int j) {
    return call.c + static_cast<std::size_t>(i) * call.c_stride + static_cast<std::size_t>(j) * V::lanes;
  };
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) sums[i][j] = call.goes_on ? V::load_groups(at(i, j)) : V::no_groups();
  }
  // Three rows share an address register: base, base + stride, base + 2 stride.
  const std::size_t stride = call.a_stride;
  const Group* rows[(Rows + 2) / 3];
#pragma GCC unroll 3
  for (int i = 0; i < (Rows + 2) / 3; ++i) rows[i] = call.a + static_cast<std::size_t>(3 * i) * stride;
  const Group* b = call.b;
  const char* ahead = call.ahead;
#pragma GCC unroll 2
  for (std::size_t k = 0; k < call.depth; ++k) {
    typename V::G row[Vectors];
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) {
      const Group* p = b + static_cast<std::size_t>(j) * V::lanes;
      __builtin_prefetch(p + 8 * call.b_stride);  // from the second-level cache
      row[j] = V::load_groups(p);
    }
    __builtin_prefetch(ahead, 0, 2);
    ahead += call.ahead_step;
    b += call.b_stride;
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const auto group = V::set1_group(rows[i / 3][static_cast<std::size_t>(i % 3) * stride + k]);
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) sums[i][j] = Arithmetic::step(sums[i][j], group, row[j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) V::store_groups(at(i, j), sums[i][j]);
  }
}

using TileFunction = void (*)(const TileCall&);

// Tile functions by rows (1 .. V::tile_rows) and vectors (1 .. V::tile_vectors).
template <class V, class Arithmetic>
struct Tiles {
  template <int Rows, int Vectors>
  static constexpr TileFunction cell() {
    if constexpr (Rows <= V::tile_rows) return tile<V, Arithmetic, Rows, Vectors>;
    return nullptr;
  }
  template <int Vectors>
  static TileFunction with(std::size_t rows) {
    static constexpr TileFunction by_rows[kMostTileRows] = {cell<1, Vectors>(), cell<2, Vectors>(), cell<3, Vectors>(),
                                                            cell<4, Vectors>(), cell<5, Vectors>(), cell<6, Vectors>(),
                                                            cell<7, Vectors>(), cell<8, Vectors>()};
    return by_rows[rows - 1];
  }
  static TileFunction get(std::size_t rows, std::size_t vectors) {
    if constexpr (V::tile_vectors == 3) {
      if (vectors == 3) return with<3>(rows);
    }
    return vectors == 2 ? with<2>(rows) : with<1>(rows);
  }
};

// rows cut into the fewest tiles, equal but for one row: a last tile of one row would wait for its own sums.
template <class V>
struct RowTiles {
  std::size_t rows, count = (rows + V::tile_rows - 1) / V::tile_rows;
  std::size_t begin(std::size_t tile) const { return rows * tile / count; }
};

}  // namespace mt
