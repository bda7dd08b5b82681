// Products with packed weights: for each panel of columns (which then stays in the second-level cache), all row tiles.
#pragma once

#include "kernels/elementary.h"
#include "kernels/kernels.h"
#include "kernels/tile.h"

namespace mt {

// Finishes one row of a tile: y = finish(sums + bias) for n columns.
template <class V, Finish E>
inline void finish_row(const float* sums, const float* bias, std::size_t n, float* y) {
  const auto finish = [&](typename V::F x, [[maybe_unused]] auto load_y) {
    if constexpr (E == Finish::bias_gelu) return gelu<V>(x);
    if constexpr (E == Finish::bias_quick_gelu) return quick_gelu<V>(x);
    if constexpr (E == Finish::bias_add) return V::add(load_y(), x);
    return x;
  };
  std::size_t j = 0;
  for (; j + V::lanes <= n; j += V::lanes) {
    V::store(y + j, finish(V::add(V::load(sums + j), V::load(bias + j)), [&] { return V::load(y + j); }));
  }
  if (j < n) {
    const auto x = V::add(V::load(sums + j), V::load(bias + j));
    V::store_first(y + j, n - j, finish(x, [&] { return V::load_first(y + j, n - j); }));
  }
}

template <class V, Finish E>
void product_with(const ProductCall& call) {
  constexpr std::size_t panel = V::tile_vectors * V::lanes, tile_rows = V::tile_rows;
  alignas(64) float sums[tile_rows * panel];
  for (std::size_t column = 0; column < call.columns; column += panel) {
    const std::size_t n = call.columns - column < panel ? call.columns - column : panel;
    const std::size_t vectors = (n + V::lanes - 1) / V::lanes;
    const float* b = call.panels + column * call.depth;
    for (std::size_t row = 0; row < call.rows; row += tile_rows) {
      const std::size_t m = call.rows - row < tile_rows ? call.rows - row : tile_rows;
      Tiles<V>::get(m, vectors)(call.depth, call.a + row * call.a_stride, call.a_stride, b, panel, sums, panel);
      for (std::size_t i = 0; i < m; ++i) {
        finish_row<V, E>(sums + i * panel, call.bias + column, n, call.y + (row + i) * call.y_stride + column);
      }
    }
  }
}

template <class V>
void product(const ProductCall& call) {
  switch (call.finish) {
    case Finish::bias:
      return product_with<V, Finish::bias>(call);
    case Finish::bias_gelu:
      return product_with<V, Finish::bias_gelu>(call);
    case Finish::bias_quick_gelu:
      return product_with<V, Finish::bias_quick_gelu>(call);
    case Finish::bias_add:
      return product_with<V, Finish::bias_add>(call);
  }
}

}  // namespace mt
