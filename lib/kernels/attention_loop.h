// Attention of one head without the matrix of all scores: six query rows at a time against a block of keys, softmax
// with a running maximum (Milakov and Gimelshein 2018; Dao et al. 2022), so that memory stays small and in cache
// however long the sequence is. Blocks are counted from its start: a row's bytes depend on its own sequence alone.
#pragma once

#include "kernels/elementary.h"
#include "kernels/kernels.h"
#include "kernels/tile.h"

namespace mt {

// Running state of one query row: output so far [padded head], maximum and sum of its exponentials.
struct AttentionState {
  float* output;
  float* maximum;
  float* sum;
};

// Turns n scores into exponentials relative to the new maximum; returns the factor for what was gathered before.
// factor: scale * log2(e).
template <class V>
inline float exponentials(float* scores, std::size_t n, float factor, float& maximum, float& sum) {
  const auto lowest = V::set1(-__builtin_inff());
  const std::size_t whole = n / V::lanes * V::lanes, rest = n - whole;
  auto most = lowest;
  for (std::size_t j = 0; j < whole; j += V::lanes) most = V::max(most, V::load(scores + j));
  if (rest > 0) {
    const auto tail = V::blend_first(rest, V::load(scores + whole), lowest);
    V::store(scores + whole, tail);
    most = V::max(most, tail);
  }
  const float block_maximum = V::largest(most) * factor;
  const float before = maximum;
  maximum = before > block_maximum ? before : block_maximum;
  const auto shift = V::set1(-maximum), by = V::set1(factor);
  auto total = V::zero();
  for (std::size_t j = 0; j < whole; j += V::lanes) {
    const auto e = exp2<V>(V::fma(V::load(scores + j), by, shift));
    V::store(scores + j, e);
    total = V::add(total, e);
  }
  if (rest > 0) {
    const auto e = V::blend_first(rest, exp2<V>(V::fma(V::load(scores + whole), by, shift)), V::zero());
    V::store(scores + whole, e);
    total = V::add(total, e);
  }
  const float keep = __builtin_exp2f(before - maximum);  // 0 for the first block
  sum = sum * keep + V::sum(total);
  return keep;
}

// One tile of query rows against keys [first, first + n): scores, exponentials, products with values, gathered in
// state.
template <class V>
void attend_block(const AttentionCall& call, std::size_t row, std::size_t m, std::size_t first, std::size_t n,
                  float* scores, float* products, const AttentionState& state) {
  constexpr std::size_t panel = V::tile_vectors * V::lanes;
  const std::size_t head = call.head_size, padded = call.value_stride;
  const float* query = call.query + row * call.query_stride;
  for (std::size_t j = 0; j < n; j += panel) {
    const std::size_t width = n - j < panel ? n - j : panel;
    Tiles<V>::get(m, (width + V::lanes - 1) / V::lanes)(head, query, call.query_stride, call.keys + (first + j) * head,
                                                        panel, scores + j, kKeyBlock);
  }
  float keep[V::tile_rows];
  for (std::size_t i = 0; i < m; ++i) {
    keep[i] = exponentials<V>(scores + i * kKeyBlock, n, call.scale * 1.44269504f, state.maximum[row + i],
                              state.sum[row + i]);
  }
  for (std::size_t j = 0; j < padded; j += panel) {
    const std::size_t width = padded - j < panel ? padded - j : panel;
    Tiles<V>::get(m, width / V::lanes)(n, scores, kKeyBlock, call.values + first * padded + j, padded, products + j,
                                       padded);
  }
  for (std::size_t i = 0; i < m; ++i) {
    float* output = state.output + (row + i) * padded;
    const auto factor = V::set1(keep[i]);
    for (std::size_t j = 0; j < padded; j += V::lanes) {
      const auto fresh = V::load(products + i * padded + j);
      V::store(output + j, first == 0 ? fresh : V::fma(V::load(output + j), factor, fresh));
    }
  }
}

template <class V>
void attention(const AttentionCall& call) {
  constexpr std::size_t tile_rows = V::tile_rows;
  const std::size_t padded = call.value_stride;
  float* scores = call.scratch;
  float* products = scores + tile_rows * kKeyBlock;
  AttentionState state{};
  state.output = products + tile_rows * padded;
  state.maximum = state.output + call.rows * padded;
  state.sum = state.maximum + call.rows;
  for (std::size_t i = 0; i < call.rows; ++i) {
    state.maximum[i] = -__builtin_inff();
    state.sum[i] = 0;
  }
  for (std::size_t first = 0; first < call.tokens; first += kKeyBlock) {
    const std::size_t n = call.tokens - first < kKeyBlock ? call.tokens - first : kKeyBlock;
    for (std::size_t row = 0; row < call.rows; row += tile_rows) {
      const std::size_t m = call.rows - row < tile_rows ? call.rows - row : tile_rows;
      attend_block<V>(call, row, m, first, n, scores, products, state);
    }
  }
  for (std::size_t i = 0; i < call.rows; ++i) {
    const auto inverse = V::set1(1.0f / state.sum[i]);
    const float* output = state.output + i * padded;
    float* out = call.out + i * call.out_stride;
    std::size_t j = 0;
    for (; j + V::lanes <= call.head_size; j += V::lanes) V::store(out + j, V::mul(V::load(output + j), inverse));
    if (j < call.head_size) V::store_first(out + j, call.head_size - j, V::mul(V::load(output + j), inverse));
  }
}

}  // namespace mt
