// Rows of scores, kept in memory up to a limit and beyond it in a temporary file that has no name: a stream is read
// once, but exact ranking metrics need a second look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace mt {

class ScoreSpool {
 public:
  // directory: where the file goes when memory_limit bytes do not suffice.
  ScoreSpool(std::size_t columns, std::filesystem::path directory, std::size_t memory_limit);

  // row: [columns]. Throws Error when the disk is full.
  void add(std::span<const float> row);
  std::size_t rows() const { return rows_; }

  // In the order of add.
  void for_each(const std::function<void(std::size_t row, std::span<const float> scores)>& visit);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void spill();

  std::size_t columns_, limit_, rows_ = 0;
  std::filesystem::path directory_;
  std::vector<float> memory_;  // the rows that are not in the file
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace mt
