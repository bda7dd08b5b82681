#include "train/shuffled_rows.h"

#include <algorithm>
#include <utility>

#include "base/interrupt.h"
#include "base/random.h"

namespace mt {

ShuffleSizes shuffle_sizes(std::size_t width) {
  const std::size_t row_bytes = std::max<std::size_t>(1, width) * sizeof(float);
  const std::size_t block = std::max<std::size_t>(1, (std::size_t{1} << 20) / row_bytes);
  return {block, std::max<std::size_t>(1, (std::size_t{64} << 20) / (block * row_bytes))};
}

ShuffledRows::ShuffledRows(SampleMatrix& matrix, std::size_t end, std::size_t batch, std::uint64_t seed)
    : matrix_(matrix), end_(end), batch_(batch), seed_(seed) {}

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

void ShuffledRows::begin_epoch(std::uint64_t epoch, std::size_t skip_batches) {
  windows_.begin(plan(epoch), skip_batches * batch_, [&matrix = matrix_](Window& window) {
    if (matrix.in_memory()) return;
    window.rows = Tensor(DType::f32, {window.loaded.size(), matrix.width()});
    matrix.gather(window.loaded, window.rows.as<float>().data());
  });
}

std::optional<ShuffledRows::Rows> ShuffledRows::next() {
  throw_if_interrupted();
  const std::size_t width = matrix_.width();
  std::vector<float> features;
  features.reserve(batch_ * width);
  Rows rows;
  while (rows.positions.size() < batch_) {
    const auto drawn = windows_.next();
    if (!drawn) break;
    const std::size_t before = features.size();
    features.resize(before + width);
    if (matrix_.in_memory()) {
      matrix_.gather({&drawn->sample, 1}, features.data() + before);
    } else {
      const auto values = drawn->rows.row<float>(drawn->row);
      std::copy(values.begin(), values.end(), features.begin() + static_cast<std::ptrdiff_t>(before));
    }
    rows.positions.push_back(drawn->sample);
    rows.labels.push_back(matrix_.label(drawn->sample));
  }
  if (rows.positions.empty()) return std::nullopt;
  rows.features = Tensor::of<float>({rows.positions.size(), width}, std::span<const float>(features));
  return rows;
}

}  // namespace mt
