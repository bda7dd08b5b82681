// One epoch's order of samples of any length: shuffled as well as bounded memory allows, batch by batch, read ahead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "train/sample_set.h"
#include "train/shuffled_windows.h"

namespace mt {

// As ShuffledRows draws rows: each epoch draws blocks of neighbouring samples (1 MiB) in random order, fills a window
// (64 MiB) with them and draws its samples in random order.
class ShuffledSamples {
 public:
  // order: numbers in the set, which trains. batch: samples of a batch; the last one of an epoch may be smaller.
  ShuffledSamples(SampleSet& set, std::vector<std::size_t> order, std::size_t batch, std::uint64_t seed);

  std::size_t size() const { return order_.size(); }
  std::size_t batches_per_epoch() const { return (order_.size() + batch_ - 1) / batch_; }
  // Starts an epoch; skips its first batches without reading them.
  void begin_epoch(std::uint64_t epoch, std::size_t skip_batches = 0);

  struct Drawn {
    Batch batch;
    std::vector<std::size_t> samples;  // their numbers in the set
  };
  // The next batch; nullopt at the end of the epoch. Asks for interruption.
  std::optional<Drawn> next();

  // Ends the epoch and its reading thread, before anything else reads the files.
  void stop() { windows_.stop(); }

  // The order of an epoch, window after window: for tests.
  std::vector<std::size_t> epoch_order(std::uint64_t epoch) const { return order_of(plan(epoch)); }

 private:
  using Window = ShuffledWindow<Batch>;
  std::vector<Window> plan(std::uint64_t epoch) const;

  SampleSet& set_;
  std::vector<std::size_t> order_;
  std::vector<std::size_t> blocks_;  // where each begins in order_, and the end
  std::size_t batch_;
  std::uint64_t seed_;
  ShuffledWindows<Batch> windows_;
};

}  // namespace mt
