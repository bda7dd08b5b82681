// Attention in float32, without tensor cores, which round their operands: 64 queries of one head against its keys, a
// tile of them at a time, as in attention.h. Every thread has 4 queries: with some keys for the scores, and with an
// eighth of the columns for the output.
#pragma once

#include "kernels/cuda/calls.h"
#include "kernels/cuda/instances.h"
#include "kernels/cuda/numbers.h"
#include "kernels/cuda/softmax.h"

namespace mt::cuda {

template <unsigned head_size>
struct FloatAttentionShape {
  static constexpr unsigned threads = 128;
  static constexpr unsigned keys = head_size > 96 ? 16 : 32;
  // Rows of shared memory are an odd number of 16 bytes apart, so that eight of them lie in different banks.
  static constexpr unsigned stride = head_size + 4, weight_stride = keys + 4;
  // Where in shared memory, in floats, behind the queries [kQueryTile, stride]:
  static constexpr unsigned keys_at = kQueryTile * stride;           // [keys, stride]
  static constexpr unsigned values_at = keys_at + keys * stride;     // [keys, stride]
  static constexpr unsigned weights_at = values_at + keys * stride;  // [kQueryTile, weight_stride]
  static constexpr unsigned end = weights_at + kQueryTile * weight_stride;
  static constexpr unsigned shared_bytes = end * sizeof(float);
  static_assert(head_size % 16 == 0 && kQueryTile == 4 * threads / 8 && stride / 4 % 2 == 1);
  static_assert(weight_stride / 4 % 2 == 1 && shared_bytes <= 64 * 1024);
};

template <unsigned head_size>
Grid float_attention_grid(const AttentionCall& call) {
  using Shape = FloatAttentionShape<head_size>;
  return {call.tile_count, call.heads, Shape::threads, Shape::shared_bytes};
}

// What a thread has of its queries, which are 16 rows apart.
template <unsigned head_size>
struct FloatAttentionState {
  float output[4][head_size / 8] = {};  // columns 16 c + 2 (lane % 8) and the next one, for each c
  RunningSoftmax softmax[4];            // each thread has the sum of its own scores
};

// Starts to copy the first `rows` of `valid` rows, row_stride apart, to shared memory; zeros behind the last.
template <unsigned head_size, unsigned rows, class Thread>
MT_CARD void copy_rows(const Thread& thread, const float* x, unsigned row_stride, std::size_t valid, float* shared) {
  using Shape = FloatAttentionShape<head_size>;
  constexpr unsigned pieces = head_size / 4;  // of a row, 16 bytes each
  static_assert(rows * pieces % Shape::threads == 0);
  MT_UNROLL
  for (unsigned i = 0; i < rows * pieces; i += Shape::threads) {
    const unsigned piece = i + thread.index(), row = piece / pieces, column = piece % pieces * 4;
    thread.copy_async_16(shared + row * Shape::stride + column, x + (row < valid ? row * row_stride : 0) + column,
                         row < valid);
  }
}

// Scores of the thread's queries and keys, then their weights, to shared memory. row: of its first query.
template <unsigned head_size, class Thread>
MT_CARD void weigh_tile(const Thread& thread, float* shared, unsigned row, std::size_t valid, float factor,
                        FloatAttentionState<head_size>& state) {
  using Shape = FloatAttentionShape<head_size>;
  constexpr unsigned each = Shape::keys / 8;
  const unsigned column = thread.lane() % 8;
  const float *queries = shared + row * Shape::stride, *keys = shared + Shape::keys_at + column * Shape::stride;
  float scores[4][each] = {};
  MT_KEEP_LOOP
  for (unsigned d = 0; d < head_size; d += 4) {
    Pack<float, 4> query[4], key[each];
    MT_UNROLL
    for (unsigned r = 0; r < 4; ++r) query[r] = load_pack<4>(queries + 16 * r * Shape::stride + d);
    MT_UNROLL
    for (unsigned j = 0; j < each; ++j) key[j] = load_pack<4>(keys + 8 * j * Shape::stride + d);
    MT_UNROLL
    for (unsigned r = 0; r < 4; ++r) {
      MT_UNROLL
      for (unsigned j = 0; j < each; ++j) {
        MT_UNROLL
        for (unsigned i = 0; i < 4; ++i) scores[r][j] += query[r].at[i] * key[j].at[i];
      }
    }
  }
  float* weights = shared + Shape::weights_at + row * Shape::weight_stride + column;
  MT_UNROLL
  for (unsigned r = 0; r < 4; ++r) {
    float most = -INFINITY;
    MT_UNROLL
    for (unsigned j = 0; j < each; ++j) {
      scores[r][j] = column + 8 * j < valid ? scores[r][j] * factor : -INFINITY;
      most = fmaxf(most, scores[r][j]);
    }
    const float keep = state.softmax[r].raise(maximum_of<8>(thread, most));
    MT_UNROLL
    for (unsigned j = 0; j < each; ++j)
      weights[16 * r * Shape::weight_stride + 8 * j] = state.softmax[r].weigh(scores[r][j]);
    MT_UNROLL
    for (float& output : state.output[r]) output *= keep;
  }
}

// Adds the tile's values, weighed.
template <unsigned head_size, class Thread>
MT_CARD void add_values(const Thread& thread, const float* shared, unsigned row,
                        FloatAttentionState<head_size>& state) {
  using Shape = FloatAttentionShape<head_size>;
  const float* weights = shared + Shape::weights_at + row * Shape::weight_stride;
  const float* values = shared + Shape::values_at + thread.lane() % 8 * 2;
  MT_KEEP_LOOP
  for (unsigned key = 0; key < Shape::keys; key += 4) {
    Pack<float, 4> weight[4];
    MT_UNROLL
    for (unsigned r = 0; r < 4; ++r) weight[r] = load_pack<4>(weights + 16 * r * Shape::weight_stride + key);
    MT_UNROLL
    for (unsigned i = 0; i < 4; ++i) {
      MT_UNROLL
      for (unsigned c = 0; c < head_size / 16; ++c) {
        const Pack<float, 2> value = load_pack<2>(values + (key + i) * Shape::stride + 16 * c);
        MT_UNROLL
        for (unsigned r = 0; r < 4; ++r) {
          state.output[r][2 * c] += weight[r].at[i] * value.at[0];
          state.output[r][2 * c + 1] += weight[r].at[i] * value.at[1];
        }
      }
    }
  }
}

template <unsigned head_size, class Thread>
MT_CARD void float_attention_kernel(const Thread& thread, const AttentionCall& call) {
  using Shape = FloatAttentionShape<head_size>;
  const AttentionTile tile = call.tiles[thread.block_x()];
  const auto begin = static_cast<std::size_t>(tile.begin), length = static_cast<std::size_t>(tile.length);
  const auto query = static_cast<std::size_t>(tile.query);
  const std::size_t width = call.heads * head_size, column = thread.block_y() * head_size;
  const float* queries = static_cast<const float*>(call.qkv) + begin * 3 * width + column;
  const float* keys = queries + width;
  float* shared = thread.template shared<float>();
  const auto row_stride = static_cast<unsigned>(3 * width);
  copy_rows<head_size, kQueryTile>(thread, queries + query * 3 * width, row_stride, length - query, shared);
  copy_rows<head_size, Shape::keys>(thread, keys, row_stride, length, shared + Shape::keys_at);
  thread.commit_copies();
  copy_rows<head_size, Shape::keys>(thread, keys + width, row_stride, length, shared + Shape::values_at);
  thread.commit_copies();
  const unsigned row = thread.index() / 8;  // and 16, 32, 48 behind it
  // Rows [4 warp, 4 warp + 4) and so on are this warp's alone, weights too.
  const bool works = query + 4 * thread.warp() < length;
  FloatAttentionState<head_size> state;
  for (std::size_t first = 0; first < length; first += Shape::keys) {
    const std::size_t valid = length - first, left = valid > Shape::keys ? valid - Shape::keys : 0;
    keys += 3 * Shape::keys * width;
    thread.template wait_copies<1>();
    thread.sync();  // the keys are there
    if (works) weigh_tile<head_size>(thread, shared, row, valid, call.scale * kLog2E, state);
    thread.template wait_copies<0>();
    thread.sync();  // the values and the weights are there, the keys are done with
    if (left > 0) copy_rows<head_size, Shape::keys>(thread, keys, row_stride, left, shared + Shape::keys_at);
    thread.commit_copies();
    if (works) add_values<head_size>(thread, shared, row, state);
    thread.sync();  // the values are done with
    if (left > 0) copy_rows<head_size, Shape::keys>(thread, keys + width, row_stride, left, shared + Shape::values_at);
    thread.commit_copies();
  }
  float* out = static_cast<float*>(call.out) + begin * width + column;
  MT_UNROLL
  for (unsigned r = 0; r < 4; ++r) {
    const float inverse = 1.0f / sum_of<8>(thread, state.softmax[r].sum);
    const std::size_t at = query + row + 16 * r;
    if (at >= length) continue;
    MT_UNROLL
    for (unsigned c = 0; c < head_size / 16; ++c) {
      store_pack(out + at * width + 16 * c + thread.lane() % 8 * 2,
                 Pack<float, 2>{state.output[r][2 * c] * inverse, state.output[r][2 * c + 1] * inverse});
    }
  }
}

}  // namespace mt::cuda
