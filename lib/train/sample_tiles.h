// Sums over a data set on all threads, in one order whatever their number.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>

#include "train/head_score.h"
#include "train/losses.h"
#include "train/sample_matrix.h"

namespace mt {

struct SampleTile {
  std::size_t lane, worker;  // partial sums are kept by lane (and added up in order at the end), scratch by worker
  std::size_t first, count;  // positions [first, first + count), at most SampleMatrix::kTile of them
  const float* rows;         // [count, width]
};

// task(SampleTile) for positions [begin, end). Tile t belongs to lane t % lanes; tiles of one lane come in order, never
// at once.
template <class Task>
void for_each_tile(SampleMatrix& matrix, std::size_t begin, std::size_t end, std::size_t lanes, const Task& task) {
  constexpr std::size_t kTile = SampleMatrix::kTile;
  matrix.visit(begin, end, [&](std::size_t first, const float* rows, std::size_t count) {
    const std::size_t before = (first - begin) / kTile, tiles = (count + kTile - 1) / kTile;
    matrix.pool().parallel_for(std::min(lanes, tiles), [&](std::size_t item, std::size_t worker) {
      for (std::size_t t = item; t < tiles; t += lanes) {
        task(SampleTile{(before + t) % lanes, worker, first + t * kTile, std::min(kTile, count - t * kTile),
                        rows + t * kTile * matrix.width()});
      }
    });
  });
}

// Overwrites logits [count, classes] of rows [count, width]; called from several threads at once.
using TileLogits = std::function<void(const float* rows, std::size_t count, float* logits)>;
HeadScore score_positions(SampleMatrix& matrix, std::size_t begin, std::size_t end, std::size_t classes,
                          const Loss& loss, const TileLogits& logits_of);

}  // namespace mt
