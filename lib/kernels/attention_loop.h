// Attention of one head without the matrix of all scores: a few query rows at a time against a block of keys, softmax
// with a running maximum (Milakov and Gimelshein 2018; Dao et al. 2022), so that memory stays small and in cache
// however long the sequence is. Blocks are counted from its start: a row's bytes depend on its own sequence alone.
#pragma once

#include "kernels/elementary.h"
#include "kernels/kernels.h"
#include "kernels/tile.h"

namespace mt {

// Float32 operands, or bfloat16 ones in pairs.
template <class V>
struct FloatAttention {
  using Arithmetic = typename V::Float32;
  static constexpr std::size_t group = 1;
  using Element = float;
};
template <class V>
struct NarrowAttention {
  using Arithmetic = typename V::BFloat16Pairs;
  static constexpr std::size_t group = 2;
  using Element = std::uint16_t;
};

// Running state of the query rows: output so far [rows, padded head], maximum and sum of the exponentials [rows].
struct AttentionState {
  float* output;
  float* maximum;
  float* sum;
};

// Turns n scores into exponentials relative to the new maximum, in place, as operands of the next product, zeros up to
// the next whole vector; returns the factor for what was gathered before. factor: scale * log2(e).
template <class V, class A>
inline float exponentials(float* scores, std::size_t n, float factor, float& maximum, float& sum) {
  const auto lowest = V::set1(-__builtin_inff());
  const std::size_t whole = n / V::lanes * V::lanes, rest = n - whole;
  auto most = lowest;
  for (std::size_t j = 0; j < whole; j += V::lanes) most = V::max(most, V::load(scores + j));
  if (rest > 0) most = V::max(most, V::blend_first(rest, V::load(scores + whole), lowest));
  const float block_maximum = V::largest(most) * factor;
  const float before = maximum;
  maximum = before > block_maximum ? before : block_maximum;
  const auto shift = V::set1(-maximum), by = V::set1(factor);
  auto total = V::zero();
  const auto store = [&](std::size_t j, typename V::F e) {
    if constexpr (A::group == 1)
      V::store(scores + j, e);
    else
      V::store_narrow(reinterpret_cast<std::uint16_t*>(scores) + j, e);  // behind what is still to be read
    total = V::add(total, e);
  };
  for (std::size_t j = 0; j < whole; j += V::lanes) {
    store(j, exp2<V, A::group == 1>(V::fma(V::load(scores + j), by, shift)));
  }
  if (rest > 0) {
    const auto e = exp2<V, A::group == 1>(V::fma(V::load(scores + whole), by, shift));
    store(whole, V::blend_first(rest, e, V::zero()));
  }
  const float keep = __builtin_exp2f(before - maximum);  // 0 for the first block
  sum = sum * keep + V::sum(total);
  return keep;
}

// scores = scores * factor + bias.
template <class V>
inline void bias_scores(float* scores, const float* bias, std::size_t n, float factor) {
  const auto by = V::set1(factor);
  std::size_t j = 0;
  for (; j + V::lanes <= n; j += V::lanes) V::store(scores + j, V::fma(V::load(scores + j), by, V::load(bias + j)));
  if (j < n)
    V::store_first(scores + j, n - j, V::fma(V::load_first(scores + j, n - j), by, V::load_first(bias + j, n - j)));
}

// One tile of query rows against keys [first, first + n): scores, exponentials, products with values, gathered in
// state.
template <class V, class A>
void attend_block(const AttentionCall& call, std::size_t row, std::size_t m, std::size_t first, std::size_t n,
                  float* scores, float* products, const AttentionState& state) {
  using AttentionTiles = Tiles<V, typename A::Arithmetic>;
  constexpr std::size_t panel = V::tile_vectors * V::lanes;
  const std::size_t depth = call.head_size / A::group, padded = call.value_stride;
  const auto* query = static_cast<const Group*>(call.query) + row * call.query_stride;
  const auto* keys = static_cast<const Group*>(call.keys) + first * depth;
  const auto* values = static_cast<const Group*>(call.values) + first / A::group * padded;
  auto* sums = reinterpret_cast<Group*>(scores);
  TileCall tile;
  tile.depth = depth;
  tile.a = query;
  tile.a_stride = call.query_stride;
  tile.b_stride = panel;
  tile.c_stride = kKeyBlock;
  tile.ahead = reinterpret_cast<const char*>(values);
  tile.ahead_step = 64;
  for (std::size_t j = 0; j < n; j += panel) {
    const std::size_t width = n - j < panel ? n - j : panel;
    tile.b = keys + j * depth;
    tile.c = sums + j;
    AttentionTiles::get(m, (width + V::lanes - 1) / V::lanes)(tile);
  }
  float keep[kMostTileRows];
  float factor = call.scale * 1.44269504f;
  if (call.key_bias != nullptr) {
    for (std::size_t i = 0; i < m; ++i) bias_scores<V>(scores + i * kKeyBlock, call.key_bias + first, n, factor);
    factor = 1;
  }
  for (std::size_t i = 0; i < m; ++i) {
    keep[i] = exponentials<V, A>(scores + i * kKeyBlock, n, factor, state.maximum[row + i], state.sum[row + i]);
  }
  // A head of four vectors goes as two and two: one alone would wait for its own sums.
  const std::size_t vectors = padded / V::lanes, passes = (vectors + V::tile_vectors - 1) / V::tile_vectors;
  tile.depth = (n + A::group - 1) / A::group;
  tile.a = sums;
  tile.a_stride = kKeyBlock;
  tile.b_stride = tile.c_stride = padded;
  tile.ahead_step = 0;
  for (std::size_t pass = 0; pass < passes; ++pass) {
    const std::size_t first_vector = vectors * pass / passes, j = first_vector * V::lanes;
    tile.b = values + j;
    tile.c = reinterpret_cast<Group*>(products) + j;
    AttentionTiles::get(m, vectors * (pass + 1) / passes - first_vector)(tile);
  }
  for (std::size_t i = 0; i < m; ++i) {
    float* output = state.output + (row + i) * padded;
    const auto kept = V::set1(keep[i]);
    for (std::size_t j = 0; j < padded; j += V::lanes) {
      const auto fresh = V::load(products + i * padded + j);
      V::store(output + j, first == 0 ? fresh : V::fma(V::load(output + j), kept, fresh));
    }
  }
}

template <class V, class A>
inline void finish_attention(const float* output, float sum, std::size_t n, typename A::Element* out) {
  const auto inverse = V::set1(1.0f / sum);
  for (std::size_t j = 0; j < n; j += V::lanes) {
    const auto x = V::mul(V::load(output + j), inverse);
    const std::size_t left = n - j;
    if constexpr (A::group == 1) {
      if (left >= V::lanes)
        V::store(out + j, x);
      else
        V::store_first(out + j, left, x);
    } else {
      if (left >= V::lanes)
        V::store_narrow(out + j, x);
      else
        V::store_first_narrow(out + j, left, x);
    }
  }
}

template <class V, class A>
void attention(const AttentionCall& call) {
  const std::size_t padded = call.value_stride;
  float* scores = call.scratch;
  float* products = scores + kMostTileRows * kKeyBlock;
  AttentionState state{};
  state.output = products + kMostTileRows * padded;
  state.maximum = state.output + call.rows * padded;
  state.sum = state.maximum + call.rows;
  for (std::size_t i = 0; i < call.rows; ++i) {
    state.maximum[i] = -__builtin_inff();
    state.sum[i] = 0;
  }
  const RowTiles<V> tiles{call.rows};
  for (std::size_t first = 0; first < call.tokens; first += kKeyBlock) {
    const std::size_t n = call.tokens - first < kKeyBlock ? call.tokens - first : kKeyBlock;
    for (std::size_t i = 0; i < tiles.count; ++i) {
      const std::size_t row = tiles.begin(i);
      attend_block<V, A>(call, row, tiles.begin(i + 1) - row, first, n, scores, products, state);
    }
  }
  auto* out = static_cast<typename A::Element*>(call.out);
  for (std::size_t i = 0; i < call.rows; ++i) {
    finish_attention<V, A>(state.output + i * padded, state.sum[i], call.head_size, out + i * call.out_stride);
  }
}

}  // namespace mt
