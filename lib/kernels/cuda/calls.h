// What the kernels for cards are asked to do. Rows, widths and offsets as on the CPU: a batch is [rows, width] and
// sequences lie end to end. Pointers are to the card's memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace mt::cuda {

// Sizes of a head for which there are attention kernels.
inline constexpr std::size_t kHeadSizes[] = {32, 64, 80, 96, 128};
// Queries that one block of the attention kernels takes.
inline constexpr std::size_t kQueryTile = 64;
// Products run on whole tiles of this many rows, so that those of a batch depend on neither its size nor its mates;
// what [rows, ...] buffers hold behind the last row is without meaning.
inline constexpr std::size_t kRowTile = 128;

// x += delta, where there is one; then y = norm(x), where there is one (y == x is allowed with f32). One pass over x.
struct NormCall {
  float* x = nullptr;            // [rows, width]
  const float* delta = nullptr;  // [rows, width] or null
  std::size_t rows = 0, width = 0;
  const float *gain = nullptr, *bias = nullptr;  // [width]
  float eps = 0;
  void* y = nullptr;                   // [rows, width] or null
  Precision numbers = Precision::f32;  // of y: f32, bf16 or f16
};

// y = activation(y) in place; the exact GELU, or x sigmoid(1.702 x).
struct ActivationCall {
  void* y = nullptr;
  std::size_t count = 0;  // a multiple of 8
  bool quick = false;
  Precision numbers = Precision::f32;
};

// Queries [query, query + kQueryTile) of the sequence whose rows are [begin, begin + length) of the batch; fewer where
// the sequence ends.
struct AttentionTile {
  std::int32_t begin = 0, length = 0, query = 0;
};

// out = softmax(scale q k^T) v, each sequence and each head on its own.
struct AttentionCall {
  const void* qkv = nullptr;  // [rows, 3 heads head_size]: queries, keys, values
  const AttentionTile* tiles = nullptr;
  std::size_t tile_count = 0, heads = 0, head_size = 0;
  float scale = 1;
  void* out = nullptr;                 // [rows, heads head_size]
  Precision numbers = Precision::f32;  // of qkv and out
};

// Rows [first, first + count) of a batch, count > 0.
struct RowSpan {
  std::int32_t first = 0, count = 0;
};

// out[i] = the mean, or the maximum, of rows spans[i] of x; sums in the order of the rows. One row is copied as it is.
struct PoolCall {
  const float* x = nullptr;  // [rows, width]
  const RowSpan* spans = nullptr;
  std::size_t span_count = 0, width = 0;
  bool maximum = false;
  float* out = nullptr;  // [span_count, width]
};

// flags[i] = 1 when rows spans[i] of x hold a NaN or an infinity, else 0. A count of 0 gives 0.
struct FiniteCall {
  const float* x = nullptr;
  const RowSpan* spans = nullptr;
  std::size_t span_count = 0, width = 0;
  std::int32_t* flags = nullptr;  // [span_count]
};

}  // namespace mt::cuda
