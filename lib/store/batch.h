// A batch of samples in memory: the unit of reading, computing, writing and framing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/tensor.h"

namespace mt {

// An input that could not be used.
struct Rejected {
  std::string id;
  std::int64_t index = 0;  // its position in the full input list
  std::string reason;
  Digest content{};  // as mt_inputs counts it; zeros when that is not known
  bool operator==(const Rejected&) const = default;
};

// n samples; what a file does not have is empty. Row data (rows, codes, centers, token_labels) of sample i lie at
// [offsets[i], offsets[i + 1]); without offsets each sample has exactly one row.
struct Batch {
  std::vector<std::string> ids;            // [n], UTF-8
  std::vector<std::int64_t> index;         // [n], position in the full input list
  std::vector<std::int32_t> labels;        // [n], -1 unknown
  Tensor targets;                          // [n, K] f32
  Tensor numbers;                          // [n, M] f32
  std::vector<std::int64_t> offsets;       // [n + 1], first is 0
  Tensor rows;                             // tokens, patches or features: [sum of T, width] or [n, width]
  Tensor codes;                            // [sum of T, Q] i32
  Tensor centers;                          // [sum of T, 3] f32
  std::vector<std::int32_t> token_labels;  // [sum of T]
  Tensor grid;                             // [n, 3] i32: time, rows, columns
  Tensor boxes;                            // [sum of boxes, 5] f32: row, column, height, width, label
  std::vector<std::int64_t> box_offsets;   // [n + 1]
  std::vector<Rejected> rejected;  // inputs that were rejected between the previous batch and the end of this one

  std::size_t samples() const { return ids.size(); }
  // Rows of sample i: [begin, end).
  std::size_t row_begin(std::size_t i) const { return offsets.empty() ? i : static_cast<std::size_t>(offsets[i]); }
  std::size_t row_end(std::size_t i) const {
    return offsets.empty() ? i + 1 : static_cast<std::size_t>(offsets[i + 1]);
  }
  std::size_t row_count() const { return offsets.empty() ? samples() : static_cast<std::size_t>(offsets.back()); }

  // Samples [begin, end) as a batch of their own (rejected inputs stay behind); offsets start at 0 again.
  Batch slice(std::size_t begin, std::size_t end) const;
  // Adds other's samples and rejected inputs at the end. Both must have the same columns, or this must be empty.
  void append(const Batch& other);
  // The same for other's samples [begin, end), without its rejected inputs.
  void append(const Batch& other, std::size_t begin, std::size_t end);

  std::size_t bytes() const;  // of all columns, roughly what it takes in memory
};

// Adds rows [begin, end) of a column to another of the same type and width. A column that is not there (shape [0]) has
// none to give, and takes any.
void append_rows(Tensor& to, const Tensor& from, std::size_t begin, std::size_t end);

// [n, a] and [n, b], both f32, as [n, a + b]. A column that is not there has none to add.
Tensor beside(Tensor left, const Tensor& right);

}  // namespace mt
