// Attention in bfloat16 or float16 on tensor cores: 64 queries of one head against its keys, a tile of them at a time,
// softmax with a running maximum (Dao 2023, "FlashAttention-2"). Scores, sums and the output so far are float32 in
// registers. While one tile of keys and values is worked on, the next comes in. Tiles of keys are counted from the
// start of the sequence: a row's bytes depend on its own sequence alone.
#pragma once

#include "kernels/cuda/calls.h"
#include "kernels/cuda/instances.h"
#include "kernels/cuda/numbers.h"
#include "kernels/cuda/softmax.h"

namespace mt::cuda {

// How the work on heads of one size is cut.
template <unsigned head_size>
struct AttentionShape {
  static constexpr unsigned threads = 128;  // four warps of 16 queries
  static constexpr unsigned blocks = 2;     // at once on one multiprocessor: fewer registers each would spill
  static constexpr unsigned keys = head_size > 80 ? 32 : 64;
  // Rows of shared memory are an odd number of 16 bytes apart, so that eight of them lie in different banks.
  static constexpr unsigned stride = head_size + 8;
  static constexpr unsigned tile = keys * stride;         // numbers: keys, or values
  static constexpr unsigned shared_bytes = 2 * 4 * tile;  // keys and values, of this tile and of the next
  static_assert(head_size % 16 == 0 && keys % 16 == 0 && kQueryTile == 64);
  static_assert(2 * stride / 16 % 2 == 1 && shared_bytes <= 64 * 1024);
};

template <unsigned head_size>
Grid attention_grid(const AttentionCall& call) {
  using Shape = AttentionShape<head_size>;
  return {call.tile_count, call.heads, Shape::threads, Shape::shared_bytes};
}

// Starts to copy the first Shape::keys of `valid` keys and of their values, which lie width behind, to shared memory.
// Behind the last: zeros, since a weight of 0 times whatever lies there might be NaN.
template <unsigned head_size, class T, class Thread>
MT_CARD void copy_tile(const Thread& thread, const T* keys, unsigned width, std::size_t valid, T* shared) {
  using Shape = AttentionShape<head_size>;
  constexpr unsigned pieces = head_size / 8;  // of a row, 16 bytes each
  static_assert(Shape::keys * pieces % Shape::threads == 0);
  MT_UNROLL
  for (unsigned i = 0; i < Shape::keys * pieces; i += Shape::threads) {
    const unsigned piece = i + thread.index(), row = piece / pieces, column = piece % pieces * 8;
    const unsigned from = (row < valid ? row * 3 * width : 0) + column, to = row * Shape::stride + column;
    thread.copy_async_16(shared + to, keys + from, row < valid);
    thread.copy_async_16(shared + Shape::tile + to, keys + width + from, row < valid);
  }
}

// What a lane has of its warp's 16 queries: parts of the rows lane / 4 and lane / 4 + 8.
template <unsigned head_size>
struct AttentionState {
  std::uint32_t query[head_size / 16][4];  // left operands of the products
  float output[head_size / 8][4] = {};     // their sums so far
  RunningSoftmax softmax[2];               // each lane has the sum of its own scores
};

// row: of the lane's first row, of count rows. Behind the last one: zeros, whose outputs go nowhere.
template <unsigned head_size, class T>
MT_CARD void load_queries(const T* queries, std::size_t row_stride, std::size_t row, std::size_t count, unsigned lane,
                          AttentionState<head_size>& state) {
  MT_UNROLL
  for (unsigned k = 0; k < head_size / 16; ++k) {
    MT_UNROLL
    for (unsigned i = 0; i < 4; ++i) {
      const std::size_t at = row + i % 2 * 8;
      Pack<T, 2> two = {};
      if (at < count) two = load_pack<2>(queries + at * row_stride + 16 * k + i / 2 * 8 + lane % 4 * 2);
      state.query[k][i] = static_cast<std::uint32_t>(two.at[0]) | static_cast<std::uint32_t>(two.at[1]) << 16;
    }
  }
}

// The warp's queries against one tile, of which `valid` keys are the sequence's. factor: scale * log2(e).
template <unsigned head_size, class T, class Thread>
MT_CARD void attend_tile(const Thread& thread, const T* keys, const T* values, std::size_t valid, float factor,
                         AttentionState<head_size>& state) {
  using Shape = AttentionShape<head_size>;
  const unsigned lane = thread.lane(), row = lane % 8, odd = lane / 8 % 2, upper = lane / 16;
  float scores[Shape::keys / 8][4] = {};
  MT_UNROLL
  for (unsigned k = 0; k < head_size / 16; ++k) {
    MT_UNROLL
    for (unsigned n = 0; n < Shape::keys / 8; n += 2) {
      std::uint32_t right[4];
      thread.template load_matrix_x4<false>(keys + (8 * (n + upper) + row) * Shape::stride + 16 * k + 8 * odd, right);
      thread.template multiply_add_16x8x16<T>(scores[n], state.query[k], right[0], right[1]);
      thread.template multiply_add_16x8x16<T>(scores[n + 1], state.query[k], right[2], right[3]);
    }
  }
  MT_UNROLL
  for (auto& score : scores) {
    MT_UNROLL
    for (float& one : score) one *= factor;
  }
  if (valid < Shape::keys) {
    MT_UNROLL
    for (unsigned n = 0; n < Shape::keys / 8; ++n) {
      MT_UNROLL
      for (unsigned i = 0; i < 4; ++i) {
        if (8 * n + lane % 4 * 2 + i % 2 >= valid) scores[n][i] = -INFINITY;
      }
    }
  }
  MT_UNROLL
  for (unsigned r = 0; r < 2; ++r) {
    float most = -INFINITY;
    MT_UNROLL
    for (auto& score : scores) most = fmaxf(most, fmaxf(score[2 * r], score[2 * r + 1]));
    const float keep = state.softmax[r].raise(maximum_of<4>(thread, most));
    MT_UNROLL
    for (auto& score : scores) {
      score[2 * r] = state.softmax[r].weigh(score[2 * r]);
      score[2 * r + 1] = state.softmax[r].weigh(score[2 * r + 1]);
    }
    MT_UNROLL
    for (auto& output : state.output) {
      output[2 * r] *= keep;
      output[2 * r + 1] *= keep;
    }
  }
  MT_UNROLL
  for (unsigned k = 0; k < Shape::keys / 16; ++k) {
    // Two sums of 16 x 8 lie in the lanes just as one left operand of 16 x 16 does.
    const float(&left)[4] = scores[2 * k], (&right_half)[4] = scores[2 * k + 1];
    const std::uint32_t weights[4] = {narrow_two<T>(left[0], left[1]), narrow_two<T>(left[2], left[3]),
                                      narrow_two<T>(right_half[0], right_half[1]),
                                      narrow_two<T>(right_half[2], right_half[3])};
    MT_UNROLL
    for (unsigned n = 0; n < head_size / 8; n += 2) {
      std::uint32_t right[4];
      thread.template load_matrix_x4<true>(values + (16 * k + 8 * odd + row) * Shape::stride + 8 * (n + upper), right);
      thread.template multiply_add_16x8x16<T>(state.output[n], weights, right[0], right[1]);
      thread.template multiply_add_16x8x16<T>(state.output[n + 1], weights, right[2], right[3]);
    }
  }
}

template <unsigned head_size, class T, class Thread>
MT_CARD void store_outputs(const Thread& thread, const AttentionState<head_size>& state, std::size_t row,
                           std::size_t count, std::size_t row_stride, T* out) {
  MT_UNROLL
  for (unsigned r = 0; r < 2; ++r) {
    const float inverse = 1.0f / sum_of<4>(thread, state.softmax[r].sum);
    if (row + 8 * r >= count) continue;
    T* to = out + (row + 8 * r) * row_stride + thread.lane() % 4 * 2;
    MT_UNROLL
    for (unsigned n = 0; n < head_size / 8; ++n) {
      const float first = state.output[n][2 * r] * inverse, second = state.output[n][2 * r + 1] * inverse;
      store_pack(to + 8 * n, Pack<T, 2>{narrow<T>(first), narrow<T>(second)});
    }
  }
}

template <unsigned head_size, class T, class Thread>
MT_CARD void attention_kernel(const Thread& thread, const AttentionCall& call) {
  using Shape = AttentionShape<head_size>;
  const AttentionTile tile = call.tiles[thread.block_x()];
  const auto begin = static_cast<std::size_t>(tile.begin), length = static_cast<std::size_t>(tile.length);
  const std::size_t width = call.heads * head_size, column = thread.block_y() * head_size;
  const T* queries = static_cast<const T*>(call.qkv) + begin * 3 * width + column;
  const T* keys = queries + width;
  const auto columns = static_cast<unsigned>(width);
  T* shared = thread.template shared<T>();  // [2, keys and values, Shape::keys, Shape::stride]
  copy_tile<head_size>(thread, keys, columns, length, shared);
  thread.commit_copies();
  const std::size_t first_row = static_cast<std::size_t>(tile.query) + 16 * thread.warp();
  const std::size_t row = first_row + thread.lane() / 4;
  AttentionState<head_size> state;
  load_queries(queries, 3 * width, row, length, thread.lane(), state);
  unsigned now = 0, next = 2 * Shape::tile;  // where in shared memory
  for (std::size_t first = 0; first < length; first += Shape::keys) {
    thread.template wait_copies<0>();
    thread.sync();  // all of this tile is there for all, and nobody reads what the next one is copied over
    keys += 3 * Shape::keys * width;
    if (first + Shape::keys < length) {
      copy_tile<head_size>(thread, keys, columns, length - first - Shape::keys, shared + next);
      thread.commit_copies();
    }
    if (first_row < length)
      attend_tile<head_size>(thread, shared + now, shared + now + Shape::tile, length - first, call.scale * kLog2E,
                             state);
    const unsigned done = now;
    now = next;
    next = done;
  }
  store_outputs(thread, state, row, length, width, static_cast<T*>(call.out) + begin * width + column);
}

}  // namespace mt::cuda
