#include "store/file_writer.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "store/schema_io.h"

namespace mt {

namespace {

constexpr std::string_view kTooMany = "more rows were written than were announced";

std::uint64_t rows_of(const Column& column, const Totals& totals) {
  switch (column.axis) {
    case Axis::sample:
      return static_cast<std::uint64_t>(totals.samples);
    case Axis::offsets:
      return static_cast<std::uint64_t>(totals.samples) + 1;
    case Axis::token:
      return static_cast<std::uint64_t>(totals.rows);
    case Axis::box:
      return static_cast<std::uint64_t>(totals.boxes);
  }
  return 0;
}

const char* sample_axis_label(Axis axis) {
  switch (axis) {
    case Axis::sample:
      return "sample";
    case Axis::token:
      return "token";
    case Axis::box:
      return "box";
    case Axis::offsets:
      return "start";
  }
  return "";
}

const char* value_axis_label(ColumnId id) {
  switch (id) {
    case ColumnId::rows:
      return "channel";
    case ColumnId::targets:
      return "target";
    case ColumnId::numbers:
      return "number";
    case ColumnId::codes:
      return "code";
    case ColumnId::centers:
      return "coordinate";
    case ColumnId::grid:
      return "time, rows, columns";
    case ColumnId::boxes:
      return "row, column, height, width, label";
    case ColumnId::index:
    case ColumnId::labels:
    case ColumnId::offsets:
    case ColumnId::token_labels:
    case ColumnId::box_offsets:
      break;
  }
  return "";
}

void write_labels(hid_t dataset, const Column& column, const std::string& where) {
  std::vector<const char*> labels = {sample_axis_label(column.axis)};
  if (column.width > 0) labels.push_back(value_axis_label(column.id));
  h5::write_dimension_labels(dataset, labels, where);
}

}  // namespace

ColumnWriter::ColumnWriter(hid_t file, std::string name, h5::Type type, std::size_t width, std::size_t row_bytes,
                           std::uint64_t rows, int compression, std::string where)
    : where_(fmt::format("{}: /{}", where, name)),
      type_(std::move(type)),
      row_bytes_(row_bytes),
      rows_(rows),
      chunk_rows_(h5::chunk_rows_for(rows, row_bytes)) {
  h5::Extents extents = {rows};
  if (width > 0) extents.push_back(width);
  dataset_ = h5::create_dataset(file, name, type_, extents, chunk_rows_, compression, where);
}

void ColumnWriter::append(std::span<const std::byte> rows) {
  const std::size_t chunk_bytes = chunk_rows_ * row_bytes_;
  while (!rows.empty()) {
    if (chunk_.empty() && rows.size() >= chunk_bytes && written_ + chunk_rows_ <= rows_) {
      h5::write_rows(dataset_, type_, written_, chunk_rows_, rows.data(), where_);
      written_ += chunk_rows_;
      rows = rows.subspan(chunk_bytes);
      continue;
    }
    if (chunk_bytes == 0) throw std::logic_error(std::string(kTooMany));
    const std::size_t part = std::min(rows.size(), chunk_bytes - chunk_.size());
    chunk_.insert(chunk_.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(part));
    rows = rows.subspan(part);
    if (chunk_.size() == chunk_bytes) flush();
  }
}

void ColumnWriter::flush() {
  const std::uint64_t count = chunk_.size() / row_bytes_;
  if (written_ + count > rows_) throw std::logic_error(std::string(kTooMany));
  if (count > 0) h5::write_rows(dataset_, type_, written_, count, chunk_.data(), where_);
  written_ += count;
  chunk_.clear();
}

void ColumnWriter::finish() {
  flush();
  if (written_ != rows_) {
    throw std::logic_error(fmt::format("{}: {} of {} announced rows were written", where_, written_, rows_));
  }
  dataset_.close(where_);
}

FileWriter::FileWriter(const std::filesystem::path& path, std::string name, const Schema& schema, const Totals& totals,
                       int compression, bool virtual_rows)
    : path_(path), name_(std::move(name)), totals_(totals) {
  const h5::Lock lock;
  file_ = h5::create_file(path_);
  write_root(file_.get(), schema, name_);
  id_row_.resize(totals.id_bytes);
  ids_.emplace(file_.get(), "ids", h5::text_type(totals.id_bytes), 0, totals.id_bytes,
               static_cast<std::uint64_t>(totals.samples), compression, name_);
  for (const Column& column : columns_of(schema)) {
    if (virtual_rows && column.id == ColumnId::rows) continue;
    targets_.push_back({column, ColumnWriter(file_.get(), column.name, h5::type_of(column.dtype), column.width,
                                             column.row_bytes(), rows_of(column, totals), compression, name_)});
    write_labels(targets_.back().writer.id(), column, name_);
    if (column.id == ColumnId::rows) write_row_attributes(targets_.back().writer.id(), schema, name_);
    if (column.axis == Axis::offsets) targets_.back().writer.append(std::vector<std::byte>(sizeof(std::int64_t)));
  }
  if (totals.rejected > 0) {
    rejected_row_.resize(totals.rejected_layout.row_bytes());
    rejected_.emplace(file_.get(), "rejected", totals.rejected_layout.type(), 0, rejected_row_.size(),
                      static_cast<std::uint64_t>(totals.rejected), compression, name_);
  }
}

void FileWriter::add_sample(const Batch& batch, std::size_t i) {
  const std::string& id = batch.ids[i];
  if (id.size() > id_row_.size()) throw std::logic_error("an id is longer than was announced");
  std::fill(id_row_.begin(), id_row_.end(), std::byte{0});
  std::memcpy(id_row_.data(), id.data(), id.size());
  ids_->append(id_row_);
  rows_ += static_cast<std::int64_t>(batch.row_end(i) - batch.row_begin(i));
  if (!batch.box_offsets.empty()) boxes_ += batch.box_offsets[i + 1] - batch.box_offsets[i];
  for (Target& target : targets_) {
    const std::span<const std::byte> all = column_bytes(batch, target.column.id);
    const std::size_t size = target.column.row_bytes();
    switch (target.column.axis) {
      case Axis::sample:
        target.writer.append(all.subspan(i * size, size));
        break;
      case Axis::token: {
        target.writer.append(all.subspan(batch.row_begin(i) * size, (batch.row_end(i) - batch.row_begin(i)) * size));
        break;
      }
      case Axis::box: {
        const auto begin = static_cast<std::size_t>(batch.box_offsets[i]),
                   end = static_cast<std::size_t>(batch.box_offsets[i + 1]);
        target.writer.append(all.subspan(begin * size, (end - begin) * size));
        break;
      }
      case Axis::offsets: {
        const std::int64_t& value = target.column.id == ColumnId::offsets ? rows_ : boxes_;
        target.writer.append(std::as_bytes(std::span(&value, 1)));
        break;
      }
    }
  }
}

void FileWriter::add_rejected(const Rejected& rejected) {
  if (!rejected_) throw std::logic_error(std::string(kTooMany));
  totals_.rejected_layout.pack(rejected, rejected_row_);
  rejected_->append(rejected_row_);
}

// Samples and rejected inputs in the order of the list, so that it does not matter in which batch a rejected one came.
void FileWriter::add(const Batch& batch) {
  const h5::Lock lock;
  auto next = batch.rejected.begin();
  for (std::size_t i = 0; i < batch.samples(); ++i) {
    while (next != batch.rejected.end() && next->index < batch.index[i]) add_rejected(*next++);
    add_sample(batch, i);
  }
  while (next != batch.rejected.end()) add_rejected(*next++);
}

void FileWriter::finish(const Digest& inputs) {
  const h5::Lock lock;
  ids_->finish();
  for (Target& target : targets_) target.writer.finish();
  if (rejected_) rejected_->finish();
  write_completion(file_.get(), inputs, name_);
  h5::close_file(file_, name_);
  // On a full disk HDF5's close has been seen to succeed: only a look tells.
  const h5::File again = h5::open_file(path_, name_);
  read_schema(again.get(), name_);
}

std::uint64_t file_bytes(const Schema& schema, const Totals& totals) {
  std::uint64_t bytes = static_cast<std::uint64_t>(totals.samples) * totals.id_bytes +
                        static_cast<std::uint64_t>(totals.rejected) * totals.rejected_layout.row_bytes();
  for (const Column& column : columns_of(schema)) bytes += rows_of(column, totals) * column.row_bytes();
  return bytes + bytes / 100 + (std::uint64_t{1} << 16);
}

}  // namespace mt
