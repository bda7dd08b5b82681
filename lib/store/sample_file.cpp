#include "store/sample_file.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "store/rejected_io.h"
#include "store/virtual_sources.h"

namespace mt {

namespace {

// One sample must fit in memory: 700,000 tokens of 768 float32 and far beyond what attention can take.
constexpr std::uint64_t kLargestSample = std::uint64_t{2} << 30;

std::string inside(std::string_view where, std::string_view name) { return fmt::format("{}: /{}", where, name); }

bool is_integer(DType dtype) {
  switch (dtype) {
    case DType::i64:
    case DType::i32:
    case DType::i16:
    case DType::i8:
    case DType::u8:
    case DType::u16:
      return true;
    case DType::f32:
    case DType::f64:
    case DType::f16:
    case DType::bf16:
    case DType::boolean:
      return false;
  }
  return false;
}

// Rows of so many columns. HDF5 converts integers that are too large to the nearest that fits, silently; so they are
// read as int64 first.
void read_narrowed(const h5::Opened& opened, std::uint64_t begin, std::uint64_t rows, std::size_t columns,
                   std::int32_t* out, std::string_view where) {
  std::vector<std::int64_t> wide(rows * columns);
  h5::read_rows(opened.dataset, h5::type_of(DType::i64), begin, rows, wide.data(), where);
  for (std::size_t i = 0; i < wide.size(); ++i) {
    out[i] = static_cast<std::int32_t>(wide[i]);
    if (out[i] != wide[i]) {
      throw Error(where, fmt::format("row {} holds {}, which is no 32-bit integer", begin + i / columns, wide[i]));
    }
  }
}

}  // namespace

SampleFile::SampleFile(h5::File file, std::string where, Schema schema, const std::string& directory)
    : file_(std::move(file)), where_(std::move(where)), schema_(std::move(schema)) {
  const h5::Lock lock;
  ids_ = h5::open_dataset(file_.get(), "ids", where_);
  const h5::Type type(H5Dget_type(ids_->dataset.get()), inside(where_, "ids"), "read its type");
  if (H5Tget_class(type.get()) != H5T_STRING || ids_->declared.extents.size() != 1) {
    throw Error(inside(where_, "ids"), fmt::format("is {} of {} dimensions, expected a list of strings",
                                                   h5::describe(type.get()), ids_->declared.extents.size()));
  }
  samples_ = ids_->declared.elements;
  rows_ = samples_;
  // Offsets come before what they count.
  const std::vector<Column> columns = columns_of(schema_);
  for (const Column& column : columns) {
    if (column.axis == Axis::offsets) open_column(column, directory);
  }
  if (const Source* offsets = source(ColumnId::offsets)) {
    rows_ = static_cast<std::size_t>(read_offsets(*offsets, samples_, samples_, SIZE_MAX / 2).back());
  }
  if (const Source* offsets = source(ColumnId::box_offsets)) {
    boxes_ = static_cast<std::size_t>(read_offsets(*offsets, samples_, samples_, SIZE_MAX / 2).back());
  }
  for (const Column& column : columns) {
    if (column.axis != Axis::offsets) open_column(column, directory);
  }
  if (const Source* offsets = source(ColumnId::offsets)) read_offsets(*offsets, 0, 0, rows_);
  if (const Source* offsets = source(ColumnId::box_offsets)) read_offsets(*offsets, 0, 0, boxes_);
  if (h5::has(file_.get(), "rejected", where_)) rejected_ = h5::open_dataset(file_.get(), "rejected", where_);
}

std::size_t SampleFile::expected_rows(const Column& column) const {
  switch (column.axis) {
    case Axis::sample:
      return samples_;
    case Axis::offsets:
      return samples_ + 1;
    case Axis::token:
      return rows_;
    case Axis::box:
      return boxes_;
  }
  return 0;
}

void SampleFile::open_column(const Column& column, const std::string& directory) {
  if (column.id == ColumnId::index && !h5::has(file_.get(), column.name, where_)) return;  // others need not have it
  const bool may_be_virtual = column.id == ColumnId::rows && !directory.empty();
  Source source{column, h5::open_dataset(file_.get(), column.name, where_, may_be_virtual), DType::f32,
                inside(where_, column.name)};
  const h5::Extents& extents = source.opened.declared.extents;
  const h5::Type type(H5Dget_type(source.opened.dataset.get()), source.where, "read its type");
  const std::optional<DType> stored = h5::dtype_of(type.get());
  if (!stored || (is_integer(column.dtype) && !is_integer(*stored))) {
    throw Error(source.where, fmt::format("is {}, expected {}", h5::describe(type.get()), name_of(column.dtype)));
  }
  source.stored = *stored;
  const bool list = column.width == 0 || (column.id == ColumnId::targets && extents.size() == 1);
  if (extents.size() != (list ? 1 : 2) || (!list && extents[1] != column.width)) {
    throw Error(source.where,
                fmt::format("has shape {}, expected [N{}]", to_string(Shape(extents.begin(), extents.end())),
                            list ? "" : fmt::format(", {}", column.width)));
  }
  if (const std::size_t expected = expected_rows(column); extents[0] != expected) {
    const std::string_view by = column.axis == Axis::token ? (schema_.ragged ? "/offsets" : "/ids")
                                : column.axis == Axis::box ? "/box_offsets"
                                                           : "/ids";
    throw Error(source.where, fmt::format("has {} rows, expected {} by {}", extents[0], expected, by));
  }
  if (source.opened.declared.is_virtual) require_virtual_sources(source.opened, directory, column.width, source.where);
  sources_.push_back(std::move(source));
}

const SampleFile::Source* SampleFile::source(ColumnId id) const {
  for (const Source& one : sources_) {
    if (one.column.id == id) return &one;
  }
  return nullptr;
}

// Offsets [begin, end]: ascending from 0 up to limit, which the last one is.
std::vector<std::int64_t> SampleFile::read_offsets(const Source& source, std::size_t begin, std::size_t end,
                                                   std::size_t limit) const {
  std::vector<std::int64_t> values(end - begin + 1);
  h5::read_rows(source.opened.dataset, h5::type_of(DType::i64), begin, values.size(), values.data(), source.where);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool first = begin + i == 0;
    const std::int64_t least = i > 0 ? values[i - 1] : 0;
    if (values[i] < least || (first && values[i] != 0)) {
      throw Error(source.where, fmt::format("offset {} is {}, {} {}", begin + i, values[i],
                                            first ? "the first one must be" : "the one before it is", least));
    }
    if (static_cast<std::uint64_t>(values[i]) > limit) {
      throw Error(source.where, fmt::format("offset {} is {}, there are {} rows", begin + i, values[i], limit));
    }
  }
  return values;
}

std::vector<std::int64_t> SampleFile::offsets(std::size_t begin, std::size_t end) const {
  if (begin > end || end > samples_) throw std::logic_error("samples outside of a file were asked for");
  const h5::Lock lock;
  if (const Source* offsets = source(ColumnId::offsets)) return read_offsets(*offsets, begin, end, rows_);
  std::vector<std::int64_t> values(end - begin + 1);
  std::iota(values.begin(), values.end(), static_cast<std::int64_t>(begin));
  return values;
}

std::vector<std::int64_t> SampleFile::index(std::size_t begin, std::size_t end) const {
  const h5::Lock lock;
  std::vector<std::int64_t> values(end - begin);
  const Source* index = source(ColumnId::index);
  if (index == nullptr) {
    std::iota(values.begin(), values.end(), static_cast<std::int64_t>(begin));
    return values;
  }
  h5::read_rows(index->opened.dataset, h5::type_of(DType::i64), begin, values.size(), values.data(), index->where);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0) throw Error(index->where, fmt::format("row {} is {}, expected 0 or more", begin + i, values[i]));
  }
  return values;
}

bool SampleFile::has_checksums() const {
  const Source* main = source(ColumnId::rows);
  return main != nullptr && h5::filters_of(main->opened.dataset.get()).find("fletcher32") != std::string::npos;
}

std::vector<std::int32_t> SampleFile::labels(std::size_t begin, std::size_t end) const {
  const h5::Lock lock;
  const Source* labels = source(ColumnId::labels);
  if (labels == nullptr) return {};
  std::vector<std::int32_t> values(end - begin);
  read_narrowed(labels->opened, begin, values.size(), 1, values.data(), labels->where);
  const auto classes = static_cast<std::int64_t>(schema_.label_names.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < -1 || (classes > 0 && values[i] >= classes)) {
      throw Error(labels->where, classes > 0
                                     ? fmt::format("row {} is {}, there are {} classes", begin + i, values[i], classes)
                                     : fmt::format("row {} is {}, expected -1 or more", begin + i, values[i]));
    }
  }
  return values;
}

std::vector<Rejected> SampleFile::rejected(std::size_t begin, std::size_t end) const {
  if (begin == end) return {};
  return read_rejected(*rejected_, begin, end, inside(where_, "rejected"));
}

std::vector<std::string> SampleFile::read_ids(std::size_t begin, std::size_t end) const {
  const std::string where = inside(where_, "ids");
  constexpr std::uint64_t kBlock = std::uint64_t{64} << 20;
  const h5::Type type(H5Dget_type(ids_->dataset.get()), where, "read its type");
  const std::uint64_t width = H5Tis_variable_str(type.get()) > 0
                                  ? kLongestId
                                  : std::max<std::size_t>(H5Tget_size(type.get()), sizeof(std::string));
  const std::uint64_t step = std::max<std::uint64_t>(kBlock / 4 / width, 1);
  std::vector<std::string> ids;
  ids.reserve(end - begin);
  for (std::uint64_t at = begin; at < end; at += step) {
    for (std::string& id : h5::read_text_rows(*ids_, at, std::min<std::uint64_t>(step, end - at), where, kBlock)) {
      if (!is_utf8(id) || id.find('\0') != std::string::npos) id = percent_escaped(id);
      if (id.size() > kLongestId) {
        throw Error(where,
                    fmt::format("id {} is {} bytes long, the limit is {}", ids.size() + begin, id.size(), kLongestId));
      }
      ids.push_back(std::move(id));
    }
  }
  return ids;
}

void SampleFile::read_column(const Source& source, std::size_t begin, std::size_t end, Batch& batch) const {
  const std::span<std::byte> out = make_column(batch, source.column, end - begin);
  if (source.column.dtype == DType::i32 && source.stored == DType::i64) {
    read_narrowed(source.opened, begin, end - begin, std::max<std::size_t>(source.column.width, 1),
                  reinterpret_cast<std::int32_t*>(out.data()), source.where);
  } else {
    h5::read_rows(source.opened.dataset, h5::type_of(source.column.dtype), begin, end - begin, out.data(),
                  source.where);
  }
}

Batch SampleFile::read(std::size_t begin, std::size_t end, bool without_rows) const {
  if (begin > end || end > samples_) throw std::logic_error("samples outside of a file were asked for");
  const h5::Lock lock;
  Batch batch;
  const std::vector<std::int64_t> starts = offsets(begin, end);
  std::uint64_t row_bytes = 0;
  for (const Source& one : sources_) {
    if (one.column.axis == Axis::token) row_bytes += one.column.row_bytes();
  }
  for (std::size_t i = begin; i < end; ++i) {
    const auto rows = static_cast<std::uint64_t>(starts[i - begin + 1] - starts[i - begin]);
    require_within(checked_mul(rows, std::max<std::uint64_t>(row_bytes, 1), where_), kLargestSample, where_,
                   fmt::format("sample {} ({} rows)", i, rows));
  }
  batch.ids = read_ids(begin, end);
  batch.index = index(begin, end);
  batch.labels = labels(begin, end);
  for (const Source& one : sources_) {
    const bool token = one.column.axis == Axis::token;
    if (without_rows && one.column.id == ColumnId::rows) continue;
    switch (one.column.id) {
      case ColumnId::index:
      case ColumnId::labels:
        break;
      case ColumnId::offsets: {
        batch.offsets = starts;
        for (std::int64_t& offset : batch.offsets) offset -= starts.front();
        break;
      }
      case ColumnId::box_offsets: {
        batch.box_offsets = read_offsets(one, begin, end, boxes_);
        const auto first = static_cast<std::size_t>(batch.box_offsets.front()),
                   last = static_cast<std::size_t>(batch.box_offsets.back());
        read_column(*source(ColumnId::boxes), first, last, batch);
        for (std::int64_t& offset : batch.box_offsets) offset -= static_cast<std::int64_t>(first);
        break;
      }
      case ColumnId::boxes:
        break;
      case ColumnId::targets:
      case ColumnId::numbers:
      case ColumnId::rows:
      case ColumnId::codes:
      case ColumnId::centers:
      case ColumnId::token_labels:
      case ColumnId::grid:
        read_column(one, token ? static_cast<std::size_t>(starts.front()) : begin,
                    token ? static_cast<std::size_t>(starts.back()) : end, batch);
    }
  }
  return batch;
}

}  // namespace mt
