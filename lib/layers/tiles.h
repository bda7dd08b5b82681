// Cutting the rows of a batch into fixed tiles, so that results do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/threads.h"

namespace mt {

inline constexpr std::size_t kRowTile = 64;

// task(begin, end) for each tile of at most kRowTile rows, on all workers.
template <class Task>
void for_each_row_tile(std::size_t rows, ThreadPool& pool, const Task& task) {
  const std::size_t tiles = (rows + kRowTile - 1) / kRowTile;
  pool.parallel_for(tiles, [&](std::size_t tile, std::size_t) {
    const std::size_t begin = tile * kRowTile;
    task(begin, std::min(rows, begin + kRowTile));
  });
}

}  // namespace mt
