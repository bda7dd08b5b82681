#include "store/columns.h"

#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

Tensor* tensor_of(Batch& batch, ColumnId id) {
  switch (id) {
    case ColumnId::targets:
      return &batch.targets;
    case ColumnId::numbers:
      return &batch.numbers;
    case ColumnId::rows:
      return &batch.rows;
    case ColumnId::codes:
      return &batch.codes;
    case ColumnId::centers:
      return &batch.centers;
    case ColumnId::grid:
      return &batch.grid;
    case ColumnId::boxes:
      return &batch.boxes;
    case ColumnId::index:
    case ColumnId::labels:
    case ColumnId::offsets:
    case ColumnId::token_labels:
    case ColumnId::box_offsets:
      return nullptr;
  }
  return nullptr;
}

std::vector<std::int64_t>* long_list_of(Batch& batch, ColumnId id) {
  if (id == ColumnId::index) return &batch.index;
  return id == ColumnId::offsets ? &batch.offsets : &batch.box_offsets;
}

std::vector<std::int32_t>* list_of(Batch& batch, ColumnId id) {
  return id == ColumnId::labels ? &batch.labels : &batch.token_labels;
}

template <class T>
std::span<std::byte> resized(std::vector<T>& list, std::size_t rows) {
  list.resize(rows);
  return std::as_writable_bytes(std::span(list));
}

[[noreturn]] void wrong(const Column& column, std::string_view why) {
  throw std::logic_error(fmt::format("a batch's {} {}", column.name, why));
}

void require_offsets(const std::vector<std::int64_t>& offsets, const Column& column) {
  if (offsets.front() != 0) wrong(column, "do not start at 0");
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] < offsets[i - 1]) wrong(column, "descend");
  }
}

std::size_t rows_on(const Batch& batch, Axis axis) {
  switch (axis) {
    case Axis::sample:
      return batch.samples();
    case Axis::offsets:
      return batch.samples() + 1;
    case Axis::token:
      return batch.row_count();
    case Axis::box:
      return batch.box_offsets.empty() ? 0 : static_cast<std::size_t>(batch.box_offsets.back());
  }
  return 0;
}

void require_column(const Batch& batch, const Column& column) {
  // The accessors do not change the batch.
  const Tensor* tensor = tensor_of(const_cast<Batch&>(batch), column.id);
  const std::size_t rows = rows_on(batch, column.axis);
  if (tensor != nullptr) {
    if (tensor->dtype() != column.dtype)
      wrong(column, fmt::format("are {}, not {}", name_of(tensor->dtype()), name_of(column.dtype)));
    if (tensor->shape() != Shape{rows, column.width}) {
      wrong(column, fmt::format("have shape {}, not {}", to_string(tensor->shape()), to_string({rows, column.width})));
    }
  } else if (column_bytes(batch, column.id).size() != rows * column.row_bytes()) {
    wrong(column,
          fmt::format("have {} rows, not {}", column_bytes(batch, column.id).size() / column.row_bytes(), rows));
  }
  if (column.id == ColumnId::offsets) require_offsets(batch.offsets, column);
  if (column.id == ColumnId::box_offsets) require_offsets(batch.box_offsets, column);
}

void require_id(const std::string& id) {
  if (id.size() > kLongestId) {
    throw Error(id.substr(0, 40) + "...",
                fmt::format("an id of {} bytes is too long, the limit is {}", id.size(), kLongestId));
  }
  if (!is_utf8(id) || id.find('\0') != std::string::npos) {
    throw Error(id, "this id cannot be stored: it is not UTF-8, or has a zero byte");
  }
}

}  // namespace

std::vector<Column> columns_of(const Schema& schema) {
  std::vector<Column> columns = {{ColumnId::index, "index", DType::i64, 0, Axis::sample}};
  const auto add = [&](bool present, Column column) {
    if (present) columns.push_back(std::move(column));
  };
  const Axis rows = schema.ragged ? Axis::token : Axis::sample;
  add(schema.has_labels, {ColumnId::labels, "labels", DType::i32, 0, Axis::sample});
  add(schema.target_width > 0, {ColumnId::targets, "targets", DType::f32, schema.target_width, Axis::sample});
  add(schema.number_width > 0, {ColumnId::numbers, "numbers", DType::f32, schema.number_width, Axis::sample});
  add(schema.ragged, {ColumnId::offsets, "offsets", DType::i64, 0, Axis::offsets});
  add(true, {ColumnId::rows, std::string(schema.rows_name()), schema.dtype, schema.width, rows});
  add(schema.code_width > 0, {ColumnId::codes, "codes", DType::i32, schema.code_width, rows});
  add(schema.has_centers, {ColumnId::centers, "centers", DType::f32, 3, rows});
  add(schema.has_token_labels, {ColumnId::token_labels, "token_labels", DType::i32, 0, rows});
  add(schema.has_grid, {ColumnId::grid, "grid", DType::i32, 3, Axis::sample});
  add(schema.has_boxes, {ColumnId::box_offsets, "box_offsets", DType::i64, 0, Axis::offsets});
  add(schema.has_boxes, {ColumnId::boxes, "boxes", DType::f32, 5, Axis::box});
  return columns;
}

std::span<const std::byte> column_bytes(const Batch& batch, ColumnId id) {
  auto& source = const_cast<Batch&>(batch);  // the accessors do not change it
  if (const Tensor* tensor = tensor_of(source, id); tensor != nullptr) return tensor->bytes();
  if (id == ColumnId::labels || id == ColumnId::token_labels) return std::as_bytes(std::span(*list_of(source, id)));
  return std::as_bytes(std::span(*long_list_of(source, id)));
}

std::span<std::byte> make_column(Batch& batch, const Column& column, std::size_t rows) {
  if (Tensor* tensor = tensor_of(batch, column.id); tensor != nullptr) {
    *tensor = Tensor(column.dtype, {rows, column.width});
    return {tensor->empty() ? nullptr : tensor->mutable_data(), tensor->bytes().size()};
  }
  if (column.dtype == DType::i32) return resized(*list_of(batch, column.id), rows);
  return resized(*long_list_of(batch, column.id), rows);
}

void require_batch(const Batch& batch, const Schema& schema) {
  for (const std::string& id : batch.ids) require_id(id);
  for (const Rejected& one : batch.rejected) require_id(one.id);
  if (batch.samples() == 0) return;
  const std::vector<Column> columns = columns_of(schema);
  for (const Column& column : columns) require_column(batch, column);
  Schema all;
  all.has_labels = all.has_centers = all.has_token_labels = all.has_grid = all.has_boxes = true;
  all.target_width = all.number_width = all.code_width = 1;
  for (const Column& other : columns_of(all)) {
    bool expected = false;
    for (const Column& column : columns) expected |= column.id == other.id;
    if (!expected && !column_bytes(batch, other.id).empty()) wrong(other, "are there, but not in the schema");
  }
}

}  // namespace mt
