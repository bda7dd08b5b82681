// Backward of one attention head. With S = scale Q K^T, P = softmax(S), O = P V:
//   dV = P^T dO,  dP = dO V^T,  dS = P (dP - sum over keys of P dP),  dQ = scale dS K,  dK = scale dS^T Q.
// Some query rows at a time hold all their probabilities, so that memory grows with the length, not with its square.
#pragma once

#include "kernels/elementary.h"
#include "kernels/kernels.h"
#include "kernels/panel_loop.h"
#include "kernels/tile.h"
#include "kernels/training_tables.h"
#include "kernels/transposed_tile.h"

namespace mt {

template <class V>
struct AttentionGradient {
  static constexpr std::size_t lanes = V::lanes, panel = V::tile_vectors * V::lanes;

  const AttentionGradientCall& call;
  AttentionGradientLayout at;
  std::size_t vectors, passes;  // of one head's row, and of tiles across it

  explicit AttentionGradient(const AttentionGradientCall& c)
      : call(c), at(attention_gradient_layout(c.tokens, c.head_size, lanes, panel)) {
    vectors = at.padded / lanes;
    passes = (vectors + V::tile_vectors - 1) / V::tile_vectors;
  }
  float* part(std::size_t offset) const { return call.scratch + offset; }

  // Rows tightly behind each other, zeros behind head_size.
  void gather(const float* x, std::size_t stride, float* y) const {
    for (std::size_t t = 0; t < call.tokens; ++t, x += stride, y += at.padded) {
      std::size_t j = 0;
      for (; j + lanes <= call.head_size; j += lanes) V::store(y + j, V::load(x + j));
      if (j < call.head_size) V::store(y + j, V::load_first(x + j, call.head_size - j));
    }
  }
  void scatter(const float* x, std::size_t rows, float* y) const {
    for (std::size_t t = 0; t < rows; ++t, x += at.padded, y += call.gradient_stride) {
      std::size_t j = 0;
      for (; j + lanes <= call.head_size; j += lanes) V::store(y + j, V::load(x + j));
      if (j < call.head_size) V::store_first(y + j, call.head_size - j, V::load(x + j));
    }
  }

  // c [m, tokens] = a [m, head_size] times panels.
  void scores(const float* a, std::size_t m, std::size_t panels, float* c) const {
    TileCall tile;
    tile.depth = call.head_size;
    tile.a = reinterpret_cast<const Group*>(a);
    tile.a_stride = at.padded;
    tile.b_stride = panel;
    tile.c_stride = at.columns;
    tile.ahead = reinterpret_cast<const char*>(a);
    for (std::size_t j = 0; j < call.tokens; j += panel) {
      const std::size_t width = call.tokens - j < panel ? call.tokens - j : panel;
      tile.b = reinterpret_cast<const Group*>(part(panels)) + j * call.head_size;
      tile.c = reinterpret_cast<Group*>(c) + j;
      Tiles<V, typename V::Float32>::get(m, (width + lanes - 1) / lanes)(tile);
    }
  }

  // One row: scores become probabilities p, dp becomes the gradient of the scores before scaling, times the scale.
  void through_softmax(float* p, float* dp) const {
    const std::size_t n = call.tokens, whole = n / lanes * lanes, rest = n - whole;
    const auto lowest = V::set1(-__builtin_inff());
    auto most = lowest;
    for (std::size_t j = 0; j < whole; j += lanes) most = V::max(most, V::load(p + j));
    if (rest > 0) most = V::max(most, V::blend_first(rest, V::load(p + whole), lowest));
    const float factor = call.scale * 1.44269504f;
    const auto by = V::set1(factor), shift = V::set1(-V::largest(most) * factor);
    auto sum = V::zero(), along = V::zero();
    for (std::size_t j = 0; j < whole; j += lanes) {
      const auto e = exp2<V>(V::fma(V::load(p + j), by, shift));
      V::store(p + j, e);
      sum = V::add(sum, e);
      along = V::fma(e, V::load(dp + j), along);
    }
    if (rest > 0) {
      const auto e = V::blend_first(rest, exp2<V>(V::fma(V::load(p + whole), by, shift)), V::zero());
      V::store(p + whole, e);
      sum = V::add(sum, e);
      along = V::fma(e, V::blend_first(rest, V::load(dp + whole), V::zero()), along);
    }
    const float inverse = 1.0f / V::sum(sum);
    const auto norm = V::set1(inverse), mean = V::set1(V::sum(along) * inverse), scale = V::set1(call.scale);
    for (std::size_t j = 0; j < n; j += lanes) {
      const auto probability = V::mul(V::load(p + j), norm);
      V::store(p + j, probability);
      V::store(dp + j, V::mul(V::mul(probability, scale), V::sub(V::load(dp + j), mean)));
    }
  }

  // dq [rows, padded] = ds [rows, tokens] keys.
  void query_gradients(std::size_t rows) const {
    const RowTiles<V> tiles{rows};
    TileCall tile;
    tile.depth = call.tokens;
    tile.a_stride = at.columns;
    tile.b_stride = tile.c_stride = at.padded;
    tile.ahead = reinterpret_cast<const char*>(part(at.keys));
    for (std::size_t i = 0; i < tiles.count; ++i) {
      const std::size_t row = tiles.begin(i), m = tiles.begin(i + 1) - row;
      tile.a = reinterpret_cast<const Group*>(part(at.dscores)) + row * at.columns;
      for (std::size_t pass = 0; pass < passes; ++pass) {
        const std::size_t first = vectors * pass / passes;
        tile.b = reinterpret_cast<const Group*>(part(at.keys)) + first * lanes;
        tile.c = reinterpret_cast<Group*>(part(at.dqueries)) + row * at.padded + first * lanes;
        Tiles<V, typename V::Float32>::get(m, vectors * (pass + 1) / passes - first)(tile);
      }
    }
  }

  // c [tokens, padded] (+)= a [rows, tokens]^T b [rows, padded].
  void gather_gradients(const float* a, const float* b, std::size_t rows, bool goes_on, float* c) const {
    const RowTiles<V> tiles{call.tokens};
    TransposedTileCall tile;
    tile.depth = rows;
    tile.a_stride = at.columns;
    tile.b_stride = tile.c_stride = at.padded;
    tile.goes_on = goes_on;
    for (std::size_t i = 0; i < tiles.count; ++i) {
      const std::size_t row = tiles.begin(i), m = tiles.begin(i + 1) - row;
      tile.a = a + row;
      for (std::size_t pass = 0; pass < passes; ++pass) {
        const std::size_t first = vectors * pass / passes;
        tile.b = b + first * lanes;
        tile.c = c + row * at.padded + first * lanes;
        TransposedTiles<V>::get(m, vectors * (pass + 1) / passes - first)(tile);
      }
    }
  }

  void run() const {
    gather(call.query, call.stride, part(at.queries));
    gather(call.key, call.stride, part(at.keys));
    gather(call.dout, call.dout_stride, part(at.douts));
    pack_panels<V>(reinterpret_cast<const Group*>(call.key), call.stride, 0, call.tokens, call.head_size,
                   reinterpret_cast<Group*>(part(at.key_panels)));
    pack_panels<V>(reinterpret_cast<const Group*>(call.value), call.stride, 0, call.tokens, call.head_size,
                   reinterpret_cast<Group*>(part(at.value_panels)));
    for (std::size_t first = 0; first < call.tokens; first += at.block_rows) {
      const std::size_t rows = call.tokens - first < at.block_rows ? call.tokens - first : at.block_rows;
      const float *queries = part(at.queries) + first * at.padded, *douts = part(at.douts) + first * at.padded;
      const RowTiles<V> tiles{rows};
      for (std::size_t i = 0; i < tiles.count; ++i) {
        const std::size_t row = tiles.begin(i), m = tiles.begin(i + 1) - row;
        float *p = part(at.probabilities) + row * at.columns, *dp = part(at.dscores) + row * at.columns;
        scores(queries + row * at.padded, m, at.key_panels, p);
        scores(douts + row * at.padded, m, at.value_panels, dp);
        for (std::size_t r = 0; r < m; ++r) through_softmax(p + r * at.columns, dp + r * at.columns);
      }
      query_gradients(rows);
      scatter(part(at.dqueries), rows, call.dquery + first * call.gradient_stride);
      gather_gradients(part(at.probabilities), douts, rows, first > 0, part(at.dvalues));
      gather_gradients(part(at.dscores), queries, rows, first > 0, part(at.dkeys));
    }
    scatter(part(at.dkeys), call.tokens, call.dkey);
    scatter(part(at.dvalues), call.tokens, call.dvalue);
  }
};

template <class V>
void attention_gradient(const AttentionGradientCall& call) {
  AttentionGradient<V>(call).run();
}

}  // namespace mt
