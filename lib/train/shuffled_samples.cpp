#include "train/shuffled_samples.h"

#include <utility>

#include "base/interrupt.h"
#include "base/random.h"

namespace mt {

namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20, kWindowBytes = std::size_t{64} << 20;

}  // namespace

ShuffledSamples::ShuffledSamples(SampleSet& set, std::vector<std::size_t> order, std::size_t batch, std::uint64_t seed)
    : set_(set), order_(std::move(order)), batch_(batch), seed_(seed) {
  std::size_t bytes = kBlockBytes;
  for (std::size_t i = 0; i < order_.size(); ++i) {
    if (bytes >= kBlockBytes) {
      blocks_.push_back(i);
      bytes = 0;
    }
    bytes += set_.bytes(order_[i]);
  }
  blocks_.push_back(order_.size());
}

std::vector<ShuffledSamples::Window> ShuffledSamples::plan(std::uint64_t epoch) const {
  Random random(seed_, stream_of("shuffle", epoch));
  std::vector<Window> windows;
  std::size_t bytes = kWindowBytes;
  for (const std::size_t block : permutation(blocks_.size() - 1, random)) {
    if (bytes >= kWindowBytes) {
      windows.emplace_back();
      bytes = 0;
    }
    for (std::size_t i = blocks_[block]; i < blocks_[block + 1]; ++i) {
      windows.back().loaded.push_back(order_[i]);
      bytes += set_.bytes(order_[i]);
    }
  }
  for (Window& window : windows) window.drawn = permutation(window.loaded.size(), random);
  return windows;
}

void ShuffledSamples::begin_epoch(std::uint64_t epoch, std::size_t skip_batches) {
  windows_.begin(plan(epoch), skip_batches * batch_,
                 [&set = set_](Window& window) { window.rows = set.read(window.loaded); });
}

std::optional<ShuffledSamples::Drawn> ShuffledSamples::next() {
  throw_if_interrupted();
  Drawn drawn;
  while (drawn.samples.size() < batch_) {
    const auto one = windows_.next();
    if (!one) break;
    drawn.batch.append(one->rows, one->row, one->row + 1);
    drawn.samples.push_back(one->sample);
  }
  if (drawn.samples.empty()) return std::nullopt;
  return drawn;
}

}  // namespace mt
