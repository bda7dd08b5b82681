#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/spool.h"
#include "base/text_output.h"
#include "store/export.h"
#include "store/npz_writer.h"

namespace mt {

namespace {

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

std::filesystem::path directory_of(const std::filesystem::path& file) {
  const std::filesystem::path parent = file.parent_path();
  return parent.empty() ? "." : parent;
}

class NpzExporter : public Exporter {
 public:
  NpzExporter(const std::string& output, const Schema& schema, bool force)
      : schema_(schema), staged_(checked(output, force)), writer_(staged_.path(), output), ids_(directory_of(output)) {
    const auto column = [&](const char* name, DType dtype, Shape row_shape, Values values) {
      columns_.push_back({name, dtype, std::move(row_shape), values, Spool(directory_of(output))});
    };
    column("index", DType::i64, {}, [](const Batch& b) { return bytes_of(b.index); });
    if (schema.has_labels) column("labels", DType::i32, {}, [](const Batch& b) { return bytes_of(b.labels); });
    if (schema.target_width > 0) {
      column("targets", DType::f32, {schema.target_width}, [](const Batch& b) { return b.targets.bytes(); });
    }
    if (schema.number_width > 0) {
      column("numbers", DType::f32, {schema.number_width}, [](const Batch& b) { return b.numbers.bytes(); });
    }
    if (schema.code_width > 0) {
      column("codes", DType::i32, {schema.code_width}, [](const Batch& b) { return b.codes.bytes(); });
    }
    if (schema.has_centers) column("centers", DType::f32, {3}, [](const Batch& b) { return b.centers.bytes(); });
    if (schema.has_token_labels) {
      column("token_labels", DType::i32, {}, [](const Batch& b) { return bytes_of(b.token_labels); });
    }
    if (schema.has_grid) column("grid", DType::i32, {3}, [](const Batch& b) { return b.grid.bytes(); });
    if (schema.has_boxes) column("boxes", DType::f32, {5}, [](const Batch& b) { return b.boxes.bytes(); });
    if (schema.ragged) offsets_.emplace("offsets", Offsets{&Batch::offsets, Spool(directory_of(output))});
    if (schema.has_boxes) offsets_.emplace("box_offsets", Offsets{&Batch::box_offsets, Spool(directory_of(output))});
    writer_.begin(std::string(schema.rows_name()), npy_descriptor(schema.dtype), size_of(schema.dtype), {schema.width});
  }

  void write(const Batch& batch) override {
    writer_.append(batch.rows.bytes());
    for (const std::string& id : batch.ids) {
      const std::uint64_t length = id.size();
      ids_.append(std::as_bytes(std::span(&length, 1)));
      ids_.append(std::as_bytes(std::span(id.data(), id.size())));
      longest_id_ = std::max(longest_id_, utf8_characters(id));
    }
    for (Column& column : columns_) column.spool.append(column.values(batch));
    for (auto& [name, offsets] : offsets_) offsets.append(batch);
  }

  void finish() override {
    writer_.end();
    write_ids();
    const auto copy = [&](Spool& spool, std::size_t row_bytes) {
      spool.for_each_block(row_bytes, [&](std::span<const std::byte> block) { writer_.append(block); });
      writer_.end();
    };
    for (Column& column : columns_) {
      writer_.begin(column.name, npy_descriptor(column.dtype), size_of(column.dtype), column.row_shape);
      copy(column.spool, element_count(column.row_shape) * size_of(column.dtype));
    }
    for (auto& [name, offsets] : offsets_) {
      writer_.begin(name, "<i8", sizeof(std::int64_t), {});
      writer_.append(bytes_of(std::vector<std::int64_t>{0}));
      copy(offsets.spool, sizeof(std::int64_t));
    }
    if (!schema_.label_names.empty()) writer_.add_text("label_names", schema_.label_names);
    if (!schema_.target_names.empty()) writer_.add_text("target_names", schema_.target_names);
    if (!schema_.number_names.empty()) writer_.add_text("number_names", schema_.number_names);
    writer_.add_scalar_text("config", schema_.config.dump());
    writer_.finish();
    staged_.publish();
  }

 private:
  using Values = std::span<const std::byte> (*)(const Batch&);
  struct Column {
    std::string name;
    DType dtype;
    Shape row_shape;
    Values values;
    Spool spool;
  };
  // A batch's offsets start at 0; the file's go on.
  struct Offsets {
    std::vector<std::int64_t> Batch::*of;
    Spool spool;
    std::int64_t last = 0;
    void append(const Batch& batch) {
      std::vector<std::int64_t> moved = batch.*of;
      if (moved.empty()) return;
      for (std::int64_t& offset : moved) offset += last;
      last = moved.back();
      spool.append(bytes_of(moved).subspan(sizeof(std::int64_t)));
    }
  };

  static const std::string& checked(const std::string& output, bool force) {
    if (output == "-")
      throw UsageError("--output", ".npz needs a file: its sizes are known at the end", "give a file name");
    refuse_existing(output, force);
    return output;
  }

  void write_ids() {
    writer_.begin("ids", "<U" + std::to_string(longest_id_), 4 * longest_id_, {});
    // Lengths and bytes run on over the borders of blocks.
    std::string pending;
    std::vector<std::byte> field;
    ids_.for_each_block(1, [&](std::span<const std::byte> block) {
      pending.append(reinterpret_cast<const char*>(block.data()), block.size());
      std::size_t position = 0;
      for (std::uint64_t length = 0; pending.size() - position >= sizeof length;) {
        std::memcpy(&length, pending.data() + position, sizeof length);
        if (pending.size() - position - sizeof length < length) break;
        append_utf32(std::string_view(pending).substr(position + sizeof length, length), longest_id_, field);
        writer_.append(field);
        field.clear();
        position += sizeof length + length;
      }
      pending.erase(0, position);
    });
    writer_.end();
  }

  Schema schema_;
  StagedFile staged_;
  NpzWriter writer_;
  Spool ids_;
  std::size_t longest_id_ = 1;
  std::vector<Column> columns_;
  std::map<std::string, Offsets> offsets_;
};

}  // namespace

std::unique_ptr<Exporter> make_npz_exporter(const std::string& output, const Schema& schema, bool force) {
  return std::make_unique<NpzExporter>(output, schema, force);
}

}  // namespace mt
