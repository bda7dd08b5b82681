// Rows of scores, kept in memory up to a limit and beyond it in a temporary file: a stream is read once, but exact
// ranking metrics need a second look.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "base/spool.h"

namespace mt {

class ScoreSpool {
 public:
  // directory: where the file goes when memory_limit bytes do not suffice.
  ScoreSpool(std::size_t columns, const std::filesystem::path& directory, std::size_t memory_limit);

  // row: [columns]. Throws Error when the disk is full.
  void add(std::span<const float> row);
  std::size_t rows() const { return rows_; }

  // In the order of add.
  void for_each(const std::function<void(std::size_t row, std::span<const float> scores)>& visit);

 private:
  std::size_t columns_, limit_, rows_ = 0;
  std::vector<float> memory_;  // the rows that are not in the file
  Spool file_;
};

}  // namespace mt
