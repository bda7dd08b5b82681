#include "store/images.h"

#include <algorithm>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "store/columns.h"
#include "store/frames.h"
#include "store/hdf5.h"
#include "store/sample_file.h"
#include "store/schema_io.h"

namespace mt {

namespace {

constexpr std::string_view kWhere = "frame";

h5::Extents extents_of(const Column& column, std::size_t rows) {
  if (column.width == 0) return {rows};
  return {rows, column.width};
}

void write_columns(hid_t file, const Batch& batch, const Schema& schema, bool attributes) {
  h5::write_texts(file, "ids", batch.ids, kWhere, false);
  for (const Column& column : columns_of(schema)) {
    const std::span<const std::byte> bytes = column_bytes(batch, column.id);
    const std::size_t rows = bytes.size() / column.row_bytes();
    const h5::Type type = h5::type_of(column.dtype);
    h5::Dataset dataset = h5::create_dataset(file, column.name, type, extents_of(column, rows), 0, 0, kWhere);
    h5::write_rows(dataset, type, 0, rows, bytes.data(), kWhere);
    if (attributes && column.id == ColumnId::rows) write_row_attributes(dataset.get(), schema, kWhere);
    dataset.close(kWhere);
  }
}

void write_rejected(hid_t file, const std::vector<Rejected>& rejected) {
  if (rejected.empty()) return;
  RejectedLayout layout;
  for (const Rejected& one : rejected) layout.widen(one);
  std::vector<std::byte> rows(rejected.size() * layout.row_bytes());
  for (std::size_t i = 0; i < rejected.size(); ++i) {
    layout.pack(rejected[i], std::span(rows).subspan(i * layout.row_bytes(), layout.row_bytes()));
  }
  const h5::Type type = layout.type();
  h5::Dataset dataset = h5::create_dataset(file, "rejected", type, {rejected.size()}, 0, 0, kWhere);
  h5::write_rows(dataset, type, 0, rejected.size(), rows.data(), kWhere);
  dataset.close(kWhere);
}

std::int64_t count_in(hid_t file, const char* name, std::string_view where) {
  const auto value = h5::read_integer_attribute(file, name, where);
  if (!value || *value < 0) throw DamagedFrame(where, fmt::format("its end mark has no {}", name));
  return *value;
}

}  // namespace

void Totals::add(const Batch& batch) {
  samples += static_cast<std::int64_t>(batch.samples());
  rows += static_cast<std::int64_t>(batch.row_count());
  boxes += batch.box_offsets.empty() ? 0 : batch.box_offsets.back();
  rejected += static_cast<std::int64_t>(batch.rejected.size());
  for (const std::string& id : batch.ids) id_bytes = std::max(id_bytes, id.size());
  for (const std::int64_t index : batch.index) last_index = std::max(last_index, index);
  for (const Rejected& one : batch.rejected) {
    last_index = std::max(last_index, one.index);
    rejected_layout.widen(one);
  }
}

std::vector<std::byte> header_image(const Schema& schema) {
  const h5::Lock lock;
  std::vector<std::byte> image;
  h5::File file = h5::create_image(image, 1 << 16);
  write_root(file.get(), schema, kWhere);
  Batch empty;
  for (const Column& column : columns_of(schema)) make_column(empty, column, column.axis == Axis::offsets ? 1 : 0);
  write_columns(file.get(), empty, schema, true);
  write_completion(file.get(), {}, kWhere);
  h5::close_image(file, image);
  return image;
}

Schema schema_of_image(std::span<const std::byte> image, std::string_view where) {
  const h5::Lock lock;
  const h5::File file = h5::open_image(image, where);
  return read_schema(file.get(), where);
}

std::vector<std::byte> batch_image(const Batch& batch, const Schema& schema, const Digest& inputs) {
  const h5::Lock lock;
  std::vector<std::byte> image;
  h5::File file = h5::create_image(image, batch.bytes() + (1 << 16));
  h5::write_attribute(file.get(), "mt_kind", name_of(schema.kind), kWhere);
  h5::write_attribute(file.get(), "mt_format", std::int64_t{kFormat}, kWhere);
  if (batch.samples() > 0) write_columns(file.get(), batch, schema, false);
  write_rejected(file.get(), batch.rejected);
  write_completion(file.get(), inputs, kWhere);
  h5::close_image(file, image);
  return image;
}

BatchOfImage batch_of_image(std::span<const std::byte> image, const Schema& schema, std::string_view where) {
  const h5::Lock lock;
  h5::File file = h5::open_image(image, where);
  BatchOfImage result;
  result.inputs = read_inputs(file.get(), where);
  if (h5::has(file.get(), "ids", where)) {
    const SampleFile samples(std::move(file), std::string(where), schema, "");
    result.batch = samples.read(0, samples.samples());
    result.batch.rejected = samples.rejected(0, samples.rejected_count());
  } else if (h5::has(file.get(), "rejected", where)) {
    const h5::Opened rejected = h5::open_dataset(file.get(), "rejected", where);
    result.batch.rejected = read_rejected(rejected, 0, rejected.declared.elements, where);
  }
  return result;
}

std::vector<std::byte> end_image(const Totals& totals, const Digest& inputs) {
  const h5::Lock lock;
  std::vector<std::byte> image;
  h5::File file = h5::create_image(image, 1 << 16);
  h5::write_attribute(file.get(), "mt_samples", totals.samples, kWhere);
  h5::write_attribute(file.get(), "mt_rows", totals.rows, kWhere);
  h5::write_attribute(file.get(), "mt_rejected", totals.rejected, kWhere);
  write_completion(file.get(), inputs, kWhere);
  h5::close_image(file, image);
  return image;
}

End end_of_image(std::span<const std::byte> image, std::string_view where) {
  const h5::Lock lock;
  const h5::File file = h5::open_image(image, where);
  return {count_in(file.get(), "mt_samples", where), count_in(file.get(), "mt_rows", where),
          count_in(file.get(), "mt_rejected", where), read_inputs(file.get(), where)};
}

}  // namespace mt
