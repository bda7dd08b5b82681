#include "train/shuffled_samples.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/interrupt.h"
#include "base/random.h"
#include "base/threads.h"

namespace mt {

namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20, kWindowBytes = std::size_t{64} << 20;

}  // namespace

// Loads windows in a thread of its own, one ahead of the one that is used.
class ShuffledSamples::Reader {
 public:
  Reader(PatchSet& set, std::vector<Window> windows) : queue_(1) {
    thread_ = std::thread([this, &set, windows = std::move(windows)]() mutable {
      try {
        for (Window& window : windows) {
          window.rows = set.read(window.loaded);
          if (!queue_.push(std::move(window))) return;
        }
        queue_.close();
      } catch (...) {
        queue_.fail(std::current_exception());
      }
    });
  }
  ~Reader() {
    queue_.close();
    thread_.join();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  std::optional<Window> next() { return queue_.pop(); }

 private:
  BoundedQueue<Window> queue_;
  std::thread thread_;
};

ShuffledSamples::ShuffledSamples(PatchSet& set, std::vector<std::size_t> order, std::size_t batch, std::uint64_t seed)
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

ShuffledSamples::~ShuffledSamples() = default;

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

std::vector<std::size_t> ShuffledSamples::epoch_order(std::uint64_t epoch) const {
  std::vector<std::size_t> order;
  for (const Window& window : plan(epoch)) {
    for (const std::size_t sample : window.drawn) order.push_back(window.loaded[sample]);
  }
  return order;
}

void ShuffledSamples::begin_epoch(std::uint64_t epoch, std::size_t skip_batches) {
  stop();
  std::vector<Window> windows = plan(epoch);
  std::size_t skip = skip_batches * batch_, whole = 0;
  while (whole < windows.size() && skip >= windows[whole].loaded.size()) skip -= windows[whole++].loaded.size();
  windows.erase(windows.begin(), windows.begin() + static_cast<std::ptrdiff_t>(whole));
  used_ = skip;
  reader_ = std::make_unique<Reader>(set_, std::move(windows));
  window_ = reader_->next();
}

void ShuffledSamples::stop() {
  reader_.reset();
  window_.reset();
}

std::optional<ShuffledSamples::Drawn> ShuffledSamples::next() {
  throw_if_interrupted();
  Drawn drawn;
  while (window_ && drawn.samples.size() < batch_) {
    if (used_ == window_->drawn.size()) {
      window_ = reader_->next();
      used_ = 0;
      continue;
    }
    const std::size_t sample = window_->drawn[used_++];
    drawn.batch.append(window_->rows, sample, sample + 1);
    drawn.samples.push_back(window_->loaded[sample]);
  }
  if (drawn.samples.empty()) return std::nullopt;
  return drawn;
}

}  // namespace mt
