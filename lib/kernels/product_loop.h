// Products with packed weights: for each panel of columns (which then stays in the second-level cache), all row tiles.
#pragma once

#include "kernels/elementary.h"
#include "kernels/kernels.h"
#include "kernels/tile.h"

namespace mt {

// What differs between precisions: how groups are multiplied, what the sums are, and how many groups of the left
// operand one of the panels is widened to.
template <class V>
struct FloatProduct {
  using Arithmetic = typename V::Float32;
  static constexpr bool integer = false, exact = true;
  static constexpr std::size_t widened = 1;
};
template <class V>
struct NarrowProduct {
  using Arithmetic = typename V::BFloat16Pairs;
  static constexpr bool integer = false, exact = false;
  static constexpr std::size_t widened = 1;
};
template <class V>
struct WidenedProduct {
  using Arithmetic = typename V::Float32;
  static constexpr bool integer = false, exact = false;
  static constexpr std::size_t widened = 2;
};
template <class V, class A>
struct IntegerProduct {
  using Arithmetic = A;
  static constexpr bool integer = true, exact = false;
  static constexpr std::size_t widened = 1;
};

// bias, column scales and corrections of one panel, and the scale of one row.
struct PanelConstants {
  const float *bias, *column_scales;
  const std::int32_t* corrections;
};

template <class V, class P, Finish E>
inline typename V::F finish(const Group* sums, const PanelConstants& panel, float row_scale, std::size_t j) {
  typename V::F x;
  if constexpr (P::integer) {
    const auto sum = V::to_floats(V::sub_integers(V::load_groups(sums + j), V::load_groups(panel.corrections + j)));
    x = V::fma(sum, V::mul(V::load(panel.column_scales + j), V::set1(row_scale)), V::load(panel.bias + j));
  } else {
    x = V::add(V::as_floats(V::load_groups(sums + j)), V::load(panel.bias + j));
  }
  if constexpr (E == Finish::bias_gelu && P::exact) return gelu<V>(x);
  if constexpr (E == Finish::bias_gelu && !P::exact) return short_gelu<V>(x);
  if constexpr (E == Finish::bias_quick_gelu) return quick_gelu<V>(x);
  return x;
}

// One row of a tile on its way out: n columns of y.
template <class V, class P, Finish E, bool Narrow>
inline void finish_row(const Group* sums, const PanelConstants& panel, float row_scale, std::size_t n, void* out) {
  std::size_t j = 0;
  if constexpr (Narrow) {
    auto* y = static_cast<std::uint16_t*>(out);
    for (; j + V::lanes <= n; j += V::lanes) V::store_narrow(y + j, finish<V, P, E>(sums, panel, row_scale, j));
    if (j < n) V::store_first_narrow(y + j, n - j, finish<V, P, E>(sums, panel, row_scale, j));
  } else {
    auto* y = static_cast<float*>(out);
    for (; j + V::lanes <= n; j += V::lanes) {
      const auto x = finish<V, P, E>(sums, panel, row_scale, j);
      V::store(y + j, E == Finish::bias_add ? V::add(V::load(y + j), x) : x);
    }
    if (j < n) {
      const auto x = finish<V, P, E>(sums, panel, row_scale, j);
      V::store_first(y + j, n - j, E == Finish::bias_add ? V::add(V::load_first(y + j, n - j), x) : x);
    }
  }
}

// A panel is cut into parts of at most this many groups, so that one part and the rows it meets share the second-level
// cache; sums wait in between. Rows go in blocks for which there is room for those sums.
inline constexpr std::size_t kDepthBlock = 1024, kRowBlock = 256;

// depth rows of a panel of pairs of bfloat16 become 2 depth rows of float32: once for all rows that meet them.
template <class V>
inline void widen_panel(const Group* pairs, std::size_t depth, Group* wide) {
  constexpr std::size_t panel = V::tile_vectors * V::lanes;
  for (std::size_t k = 0; k < depth; ++k, pairs += panel, wide += 2 * panel) {
    for (std::size_t j = 0; j < panel; j += V::lanes) {
      const auto both = V::load_groups(pairs + j);
      V::store_groups(wide + j, V::first_of_pairs(both));
      V::store_groups(wide + panel + j, V::second_of_pairs(both));
    }
  }
}

// A block of rows times all panels. Weights pass once: while a part is multiplied, the next one is on its way.
template <class V, class P, Finish E, bool Narrow>
void product_of_rows(const ProductCall& call, std::size_t first_row, std::size_t rows) {
  constexpr std::size_t panel = V::tile_vectors * V::lanes;
  constexpr std::size_t element = Narrow ? sizeof(std::uint16_t) : sizeof(float);
  alignas(64) Group sums[kRowBlock * panel];
  alignas(64) Group wide[P::widened == 1 ? 1 : kDepthBlock * panel];
  const RowTiles<V> tiles{rows};
  const std::size_t parts = (P::widened * call.depth + kDepthBlock - 1) / kDepthBlock;
  const auto* a = static_cast<const Group*>(call.a) + first_row * call.a_stride;
  TileCall tile;
  tile.a_stride = call.a_stride;
  tile.b_stride = tile.c_stride = panel;
  for (std::size_t column = 0; column < call.columns; column += panel) {
    const std::size_t n = call.columns - column < panel ? call.columns - column : panel;
    const std::size_t vectors = (n + V::lanes - 1) / V::lanes;
    PanelConstants constants{call.bias + column, nullptr, nullptr};
    if constexpr (P::integer) {
      constants.column_scales = call.column_scales + column;
      constants.corrections = call.corrections + column;
    }
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t k = call.depth * part / parts, depth = call.depth * (part + 1) / parts - k;
      tile.depth = P::widened * depth;
      tile.goes_on = part > 0;
      tile.b = static_cast<const Group*>(call.panels) + column * call.depth + k * panel;
      // Spread over all tiles, so that what comes from memory is not in the way of what comes from the cache; a line
      // at most in each step.
      const char* next = reinterpret_cast<const char*>(tile.b + depth * panel);
      tile.ahead_step = panel * sizeof(Group) / P::widened / tiles.count + 1;
      if (tile.ahead_step > 64) tile.ahead_step = 64;
      if constexpr (P::widened == 2) {
        widen_panel<V>(tile.b, depth, wide);
        tile.b = wide;
      }
      for (std::size_t i = 0; i < tiles.count; ++i) {
        const std::size_t row = tiles.begin(i), m = tiles.begin(i + 1) - row;
        char* y = static_cast<char*>(call.y) + ((first_row + row) * call.y_stride + column) * element;
        const bool last = part + 1 == parts;
        if (last) {  // the lines that this tile goes to arrive while it is computed
          for (std::size_t r = 0; r < m; ++r) {
            for (std::size_t byte = 0; byte < n * element; byte += 64)
              __builtin_prefetch(y + r * call.y_stride * element + byte, 1);
          }
        }
        tile.ahead = next + i * tile.depth * tile.ahead_step;
        tile.a = a + row * call.a_stride + P::widened * k;
        tile.c = sums + (parts == 1 ? 0 : row * panel);  // one tile's worth stays in the first-level cache
        Tiles<V, typename P::Arithmetic>::get(m, vectors)(tile);
        if (!last) continue;
        for (std::size_t r = 0; r < m; ++r) {
          const float row_scale = P::integer ? call.row_scales[first_row + row + r] : 1;
          finish_row<V, P, E, Narrow>(tile.c + r * panel, constants, row_scale, n, y + r * call.y_stride * element);
        }
      }
    }
  }
}

template <class V, class P, Finish E, bool Narrow>
void product_with(const ProductCall& call) {
  for (std::size_t row = 0; row < call.rows; row += kRowBlock)
    product_of_rows<V, P, E, Narrow>(call, row, call.rows - row < kRowBlock ? call.rows - row : kRowBlock);
}

template <class V, class P, bool Narrow>
void product_to(const ProductCall& call) {
  switch (call.finish) {
    case Finish::bias:
      return product_with<V, P, Finish::bias, Narrow>(call);
    case Finish::bias_gelu:
      return product_with<V, P, Finish::bias_gelu, Narrow>(call);
    case Finish::bias_quick_gelu:
      return product_with<V, P, Finish::bias_quick_gelu, Narrow>(call);
    case Finish::bias_add:
      return product_with<V, P, Finish::bias_add, false>(call);
  }
}

// Float32 results only: machines without bfloat16.
template <class V, class P>
void product(const ProductCall& call) {
  product_to<V, P, false>(call);
}
template <class V, class P>
void product_narrowing(const ProductCall& call) {
  if (call.narrow)
    product_to<V, P, true>(call);
  else
    product_to<V, P, false>(call);
}

}  // namespace mt
