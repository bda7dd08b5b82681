// One epoch's order of samples: shuffled as well as bounded memory allows, batch by batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/tensor.h"
#include "train/sample_matrix.h"
#include "train/shuffled_windows.h"

namespace mt {

// How rows are shuffled without random access: the epoch draws blocks of neighbouring rows in random order, fills a
// window with them and draws its rows in random order. The sizes depend on the width alone, so the order is the same
// whether the features are in memory or on disk.
struct ShuffleSizes {
  std::size_t block = 1, blocks_in_window = 1;
};
ShuffleSizes shuffle_sizes(std::size_t width);  // blocks of 1 MiB, windows of 64 MiB

class ShuffledRows {
 public:
  // Positions [0, end) of matrix. batch: rows of a batch; the last one of an epoch may be smaller.
  ShuffledRows(SampleMatrix& matrix, std::size_t end, std::size_t batch, std::uint64_t seed);

  std::size_t batches_per_epoch() const { return (end_ + batch_ - 1) / batch_; }
  // Starts an epoch; skips its first batches without reading them.
  void begin_epoch(std::uint64_t epoch, std::size_t skip_batches = 0);

  struct Rows {
    Tensor features;                     // [n, width] f32
    std::vector<std::int32_t> labels;    // [n]
    std::vector<std::size_t> positions;  // [n]
  };
  // The next batch; nullopt at the end of the epoch. Asks for interruption.
  std::optional<Rows> next();

  // Ends the epoch and its reading thread, before anything else reads the files.
  void stop() { windows_.stop(); }

  // The order of an epoch, window after window: for tests.
  std::vector<std::size_t> epoch_order(std::uint64_t epoch) const { return order_of(plan(epoch)); }

 private:
  using Window = ShuffledWindow<Tensor>;  // rows: [loaded, width]; empty when the matrix is in memory
  std::vector<Window> plan(std::uint64_t epoch) const;

  SampleMatrix& matrix_;
  std::size_t end_, batch_;
  std::uint64_t seed_;
  ShuffledWindows<Tensor> windows_;
};

}  // namespace mt
