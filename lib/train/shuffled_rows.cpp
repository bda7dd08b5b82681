#include "train/shuffled_rows.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/interrupt.h"
#include "base/random.h"
#include "base/threads.h"

namespace mt {

// Loads windows in a thread of its own, one ahead of the one that is used.
class ShuffledRows::Reader {
 public:
  Reader(SampleMatrix& matrix, std::vector<Window> windows) : queue_(1) {
    thread_ = std::thread([this, &matrix, windows = std::move(windows)]() mutable {
      try {
        for (Window& window : windows) {
          if (!matrix.in_memory()) {
            window.rows = Tensor(DType::f32, {window.loaded.size(), matrix.width()});
            matrix.gather(window.loaded, window.rows.as<float>().data());
          }
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

ShuffleSizes shuffle_sizes(std::size_t width) {
  const std::size_t row_bytes = std::max<std::size_t>(1, width) * sizeof(float);
  const std::size_t block = std::max<std::size_t>(1, (std::size_t{1} << 20) / row_bytes);
  return {block, std::max<std::size_t>(1, (std::size_t{64} << 20) / (block * row_bytes))};
}

ShuffledRows::ShuffledRows(SampleMatrix& matrix, std::size_t end, std::size_t batch, std::uint64_t seed)
    : matrix_(matrix), end_(end), batch_(batch), seed_(seed) {}

ShuffledRows::~ShuffledRows() = default;

std::vector<ShuffledRows::Window> ShuffledRows::plan(std::uint64_t epoch) const {
  const auto [block, blocks_in_window] = shuffle_sizes(matrix_.width());
  Random random(seed_, stream_of("shuffle", epoch));
  const std::vector<std::size_t> blocks = permutation((end_ + block - 1) / block, random);
  std::vector<Window> windows;
  for (std::size_t first = 0; first < blocks.size(); first += blocks_in_window) {
    Window window;
    for (std::size_t b = first; b < std::min(blocks.size(), first + blocks_in_window); ++b) {
      const std::size_t begin = blocks[b] * block;
      for (std::size_t row = begin; row < std::min(end_, begin + block); ++row) window.loaded.push_back(row);
    }
    window.drawn = permutation(window.loaded.size(), random);
    windows.push_back(std::move(window));
  }
  return windows;
}

std::vector<std::size_t> ShuffledRows::epoch_order(std::uint64_t epoch) const {
  std::vector<std::size_t> order;
  for (const Window& window : plan(epoch)) {
    for (const std::size_t row : window.drawn) order.push_back(window.loaded[row]);
  }
  return order;
}

void ShuffledRows::begin_epoch(std::uint64_t epoch, std::size_t skip_batches) {
  stop();
  std::vector<Window> windows = plan(epoch);
  std::size_t skip = skip_batches * batch_, whole = 0;
  while (whole < windows.size() && skip >= windows[whole].loaded.size()) skip -= windows[whole++].loaded.size();
  windows.erase(windows.begin(), windows.begin() + static_cast<std::ptrdiff_t>(whole));
  used_ = skip;
  reader_ = std::make_unique<Reader>(matrix_, std::move(windows));
  window_ = reader_->next();
}

void ShuffledRows::stop() {
  reader_.reset();
  window_.reset();
}

std::optional<ShuffledRows::Rows> ShuffledRows::next() {
  throw_if_interrupted();
  const std::size_t width = matrix_.width();
  std::vector<float> features;
  features.reserve(batch_ * width);
  Rows rows;
  while (window_ && rows.positions.size() < batch_) {
    if (used_ == window_->drawn.size()) {
      window_ = reader_->next();
      used_ = 0;
      continue;
    }
    const std::size_t row = window_->drawn[used_++], position = window_->loaded[row];
    const std::size_t before = features.size();
    features.resize(before + width);
    if (matrix_.in_memory()) {
      matrix_.gather({&position, 1}, features.data() + before);
    } else {
      const auto values = std::as_const(window_->rows).row<float>(row);
      std::copy(values.begin(), values.end(), features.begin() + static_cast<std::ptrdiff_t>(before));
    }
    rows.positions.push_back(position);
    rows.labels.push_back(matrix_.label(position));
  }
  if (rows.positions.empty()) return std::nullopt;
  rows.features = Tensor::of<float>({rows.positions.size(), width}, std::span<const float>(features));
  return rows;
}

}  // namespace mt
