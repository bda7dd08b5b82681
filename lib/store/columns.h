// The columns of a sample file, once: their names, types and what their rows count. Reading, writing and framing follow
// this table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"
#include "store/batch.h"
#include "store/schema.h"

namespace mt {

// What the rows of a column count. offsets: one more than samples.
enum class Axis : std::uint8_t { sample, token, box, offsets };

enum class ColumnId : std::uint8_t {
  index,
  labels,
  targets,
  numbers,
  offsets,
  rows,
  codes,
  centers,
  token_labels,
  grid,
  box_offsets,
  boxes
};

// /ids and /rejected are not in this table: their types depend on the longest text.
struct Column {
  ColumnId id;
  std::string name;
  DType dtype;            // in memory, and in the files that we write
  std::size_t width = 0;  // 0: one-dimensional
  Axis axis;

  std::size_t row_bytes() const { return size_of(dtype) * (width == 0 ? 1 : width); }
};

// The columns that a schema has, in the order in which files hold them.
std::vector<Column> columns_of(const Schema& schema);

// The bytes of a batch's column (offsets of the batch, not of the file).
std::span<const std::byte> column_bytes(const Batch& batch, ColumnId id);
// Makes room for rows of a column and returns it.
std::span<std::byte> make_column(Batch& batch, const Column& column, std::size_t rows);

// Throws logic_error when a batch does not have exactly the columns of the schema, or when they are of unequal lengths:
// that is a bug of the producer. Throws Error for ids that cannot be stored (longer than 4096 bytes, not UTF-8, with
// NUL).
void require_batch(const Batch& batch, const Schema& schema);

inline constexpr std::size_t kLongestId = 4096, kLongestReason = 512;

}  // namespace mt
