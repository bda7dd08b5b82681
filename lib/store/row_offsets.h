// Where the rows of a file's samples lie, read ahead.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "store/sample_file.h"

namespace mt {

// For samples in ascending order, or nearly so: going back reads anew.
class RowOffsets {
 public:
  explicit RowOffsets(const SampleFile& file) : file_(&file) {}

  // Rows [begin(sample), end(sample)) of the file. Throw Error when the offsets are damaged.
  std::size_t begin(std::size_t sample) { return at(sample, 0); }
  std::size_t end(std::size_t sample) { return at(sample, 1); }

 private:
  static constexpr std::size_t kReadAtOnce = std::size_t{1} << 16;

  std::size_t at(std::size_t sample, std::size_t side) {
    if (sample < first_ || sample + 1 >= first_ + offsets_.size()) {
      offsets_ = file_->offsets(sample, std::min(file_->samples(), sample + kReadAtOnce));
      first_ = sample;
    }
    return static_cast<std::size_t>(offsets_[sample - first_ + side]);
  }

  const SampleFile* file_;
  std::vector<std::int64_t> offsets_;  // of samples [first_, ...]
  std::size_t first_ = 0;
};

}  // namespace mt
