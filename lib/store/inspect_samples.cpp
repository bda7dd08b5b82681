#include "store/inspect_samples.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/random.h"
#include "store/columns.h"
#include "store/file_reader.h"
#include "store/frames.h"
#include "store/sample_reader.h"
#include "store/statistics.h"

namespace mt {

namespace {

constexpr std::size_t kBatchBytes = std::size_t{16} << 20;

// What is gathered while samples go by.
class SampleSummary {
 public:
  SampleSummary(const Schema& schema, const InspectOptions& options) : schema_(schema), options_(options) {}

  void add(const Batch& batch) {
    for (const std::int32_t label : batch.labels) add_label(label);
    for (std::size_t i = 0; i < batch.samples(); ++i) add_length(batch.row_end(i) - batch.row_begin(i));
    if (options_.statistics) statistics_.add(batch.rows);
    if (options_.verify) {
      for (const std::string& id : batch.ids) id_hashes_.push_back(stream_of(id));
    }
    boxes_ += batch.box_offsets.empty() ? 0 : static_cast<std::uint64_t>(batch.box_offsets.back());
    rejected_ += batch.rejected.size();
  }
  void add_label(std::int32_t label) { label < 0 ? ++unknown_ : ++counts_[label]; }
  void add_length(std::size_t rows) {
    shortest_ = samples_ == 0 ? rows : std::min(shortest_, rows);
    longest_ = std::max(longest_, rows);
    rows_ += rows;
    ++samples_;
  }

  // Throws where verification failed.
  void verify(const std::string& name) {
    std::sort(id_hashes_.begin(), id_hashes_.end());
    const auto twice = std::adjacent_find(id_hashes_.begin(), id_hashes_.end());
    if (twice != id_hashes_.end()) throw Error(name, "/ids holds an id twice", "mt-inspect --ids lists them");
  }

  std::uint64_t samples() const { return samples_; }
  std::uint64_t rows() const { return rows_; }
  std::uint64_t boxes() const { return boxes_; }
  std::uint64_t rejected() const { return rejected_; }

  void describe(Inspection& out) const {
    if (schema_.ragged && samples_ > 0) {
      out["rows_per_sample"] = {
          {"min", shortest_}, {"mean", static_cast<double>(rows_) / static_cast<double>(samples_)}, {"max", longest_}};
    }
    if (schema_.has_labels) out["labels"] = {{"classes", class_counts()}, {"unknown", unknown_}};
    if (options_.statistics) out["statistics"] = statistics_json(statistics_);
  }

 private:
  // By name, absent classes too; files of others may have numbers without names.
  Inspection class_counts() const {
    Inspection classes = Inspection::object();
    for (const std::string& name : schema_.label_names) classes[name] = 0;
    for (const auto& [label, count] : counts_) {
      const auto number = static_cast<std::size_t>(label);
      classes[number < schema_.label_names.size() ? schema_.label_names[number] : std::to_string(label)] = count;
    }
    return classes;
  }

  const Schema& schema_;
  const InspectOptions& options_;
  std::map<std::int32_t, std::uint64_t> counts_;
  std::vector<std::uint64_t> id_hashes_;
  std::uint64_t unknown_ = 0, samples_ = 0, rows_ = 0, boxes_ = 0, rejected_ = 0;
  std::size_t shortest_ = 0, longest_ = 0;
  ValueStatistics statistics_;
};

Inspection data_sets(const Schema& schema, std::uint64_t samples, std::uint64_t rows, std::uint64_t boxes) {
  Inspection list = Inspection::array();
  list.push_back({{"name", "/ids"}, {"shape", {samples}}, {"dtype", "text"}});
  for (const Column& column : columns_of(schema)) {
    std::uint64_t length = samples;
    switch (column.axis) {
      case Axis::sample:
        break;
      case Axis::token:
        length = rows;
        break;
      case Axis::box:
        length = boxes;
        break;
      case Axis::offsets:
        length = samples + 1;
        break;
    }
    Inspection shape = {length};
    if (column.width > 0) shape.push_back(column.width);
    list.push_back({{"name", "/" + column.name}, {"shape", std::move(shape)}, {"dtype", name_of(column.dtype)}});
  }
  return list;
}

void describe_schema(const Schema& schema, Inspection& out) {
  out["modality"] = schema.modality;
  out["creator"] = schema.creator;
  if (schema.kind == Kind::tokens) {
    out["tokens"] = {{"prefix", schema.prefix},
                     {"positions", schema.positions},
                     {"pre_norm", schema.pre_norm},
                     {"source", schema.source}};
  }
}

void describe_end(const Schema& schema, const Digest& inputs, Inspection& out) {
  out["config"] = schema.config;
  if (inputs != Digest{}) out["inputs"] = hex(inputs);
}

std::size_t rows_of_a_batch(const Schema& schema) {
  return std::max<std::size_t>(1, kBatchBytes / std::max<std::size_t>(1, schema.width * size_of(schema.dtype)));
}

// Every batch, until the end.
void read_all(SampleReader& reader, SampleSummary& summary, Progress& progress) {
  const std::size_t rows = rows_of_a_batch(reader.schema());
  while (const auto batch = reader.next(rows, rows)) {
    throw_if_interrupted();
    summary.add(*batch);
    progress.advance(static_cast<std::int64_t>(batch->samples()));
  }
}

// What came whole before the damage, sample by sample: asking for more would run into it again.
void read_sealed(SampleReader& reader, SampleSummary& summary) {
  try {
    while (const auto batch = reader.next(1, 1)) summary.add(*batch);
  } catch (const DamagedFrame&) {  // NOLINT(bugprone-empty-catch): here it ends
  }
}

// Labels and lengths alone, without touching the rows.
void read_columns(SampleReader& reader, SampleSummary& summary) {
  const auto samples = static_cast<std::size_t>(*reader.samples());
  if (reader.schema().has_labels) {
    for (const std::int32_t label : reader.labels()) summary.add_label(label);
  }
  constexpr std::size_t kStep = std::size_t{1} << 20;
  for (std::size_t begin = 0; begin < samples; begin += kStep) {
    const std::vector<std::int64_t> offsets = reader.offsets(begin, std::min(samples, begin + kStep));
    for (std::size_t i = 1; i < offsets.size(); ++i)
      summary.add_length(static_cast<std::size_t>(offsets[i] - offsets[i - 1]));
  }
}

}  // namespace

Inspection statistics_json(const ValueStatistics& statistics) {
  return {{"mean", statistics.mean()},   {"deviation", statistics.deviation()},
          {"min", statistics.minimum()}, {"max", statistics.maximum()},
          {"nan", statistics.nan()},     {"infinite", statistics.infinite()}};
}

void for_each_id(const std::string& name, const std::function<void(const std::string& id)>& visit) {
  const auto reader = SampleReader::open(name);
  if (const auto* file = dynamic_cast<const FileReader*>(reader.get())) {
    constexpr std::size_t kStep = std::size_t{1} << 14;
    const std::size_t samples = file->file().samples();
    for (std::size_t begin = 0; begin < samples; begin += kStep) {
      throw_if_interrupted();
      for (const std::string& id : file->file().ids(begin, std::min(samples, begin + kStep))) visit(id);
    }
    return;
  }
  const std::size_t rows = rows_of_a_batch(reader->schema());
  while (const auto batch = reader->next(rows, rows)) {
    throw_if_interrupted();
    for (const std::string& id : batch->ids) visit(id);
  }
}

Inspection inspect_sample_file(const std::filesystem::path& path, const InspectOptions& options, Progress& progress) {
  const std::string name = path.string();
  FileReader reader(path, name, true);
  const Schema& schema = reader.schema();
  SampleSummary summary(schema, options);
  progress.total(*reader.samples());
  if (options.verify || options.statistics) {
    read_all(reader, summary, progress);
  } else {
    read_columns(reader, summary);
  }
  if (options.verify) summary.verify(name);

  Inspection out;
  out["file"] = name;
  out["kind"] = name_of(schema.kind);
  out["container"] = "hdf5";
  out["bytes"] = std::filesystem::file_size(path);
  out["complete"] = true;  // an unfinished file does not open
  describe_schema(schema, out);
  out["samples"] = *reader.samples();
  out["rows"] = *reader.rows();
  out["datasets"] = data_sets(schema, summary.samples(), summary.rows(), reader.file().boxes());
  out["checksums"] = reader.file().has_checksums();
  summary.describe(out);
  out["rejected"] = reader.file().rejected_count();
  describe_end(schema, reader.inputs(), out);
  if (options.verify) out["verified"] = true;
  return out;
}

Inspection inspect_sample_stream(const std::string& name, const InspectOptions& options, Progress& progress) {
  const auto reader = SampleReader::open(name);
  const Schema& schema = reader->schema();
  SampleSummary summary(schema, options);
  std::optional<std::string> cut;
  try {
    read_all(*reader, summary, progress);
  } catch (const DamagedFrame& error) {
    cut = error.why();
    if (!options.verify) read_sealed(*reader, summary);
  }
  if (options.verify && cut) throw Error(name, *cut);
  if (options.verify) summary.verify(name);

  std::error_code unknown;
  const auto bytes = std::filesystem::file_size(name, unknown);
  const bool journal = name.ends_with(".part");
  Inspection out;
  out["file"] = name;
  out["kind"] = name_of(schema.kind);
  out["container"] = journal ? "journal" : reader->seekable() ? "hdf5" : "stream";
  out["bytes"] = name == "-" || unknown ? Inspection(nullptr) : Inspection(bytes);
  out["complete"] = !cut;
  if (cut) out["cut"] = *cut;
  describe_schema(schema, out);
  out["samples"] = summary.samples();
  out["rows"] = summary.rows();
  out["datasets"] = data_sets(schema, summary.samples(), summary.rows(), summary.boxes());
  summary.describe(out);
  out["rejected"] = summary.rejected();
  describe_end(schema, cut ? Digest{} : reader->inputs(), out);
  if (options.verify) out["verified"] = true;
  return out;
}

}  // namespace mt
