#include "train/feature_set.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "heads/feature_matrix.h"
#include "train/labelled_files.h"

namespace mt {

namespace {

// One read of a file covers rows that are wanted and small gaps between them.
constexpr std::size_t kGap = 64;
constexpr std::uint64_t kRunBytes = std::uint64_t{16} << 20;
constexpr std::size_t kStreamRows = 8192;

}  // namespace

void FeatureSet::require_same_kind(const File& file, const Schema& schema, std::size_t rows) {
  if (files_.empty() && width_ == 0) {
    input_ = head_input_of(schema, rows);
    row_width_ = schema.width;
    width_ = checked_mul(schema.width, rows, file.name);
    if (width_ == 0) throw Error(file.name, "its samples have no features", "check it with mt-inspect");
    return;
  }
  if (schema.kind != input_.kind) {
    throw Error(file.name, fmt::format("holds {}, the files before it {}", name_of(schema.kind), name_of(input_.kind)),
                "give files of one kind");
  }
  if (schema.width != row_width_ || rows != input_.rows) {
    throw Error(file.name,
                fmt::format("its samples are {} x {}, those of the files before it {} x {}", rows, schema.width,
                            input_.rows, row_width_),
                "encode all of them with one model and one pooling");
  }
  if (input_.digest != head_input_of(schema, rows).digest) input_.digest.clear();
  if (input_.modality != schema.modality) input_.modality.clear();
}

void FeatureSet::take_labels(File& file, const Schema& schema, std::span<const std::int32_t> labels,
                             bool known_classes_only) {
  LabelledRows labelled = classes_.join(file.name, schema, labels, known_classes_only);
  file.rows = std::move(labelled.rows);
  labels_.insert(labels_.end(), labelled.labels.begin(), labelled.labels.end());
  unlabelled_ += labels.size() - file.rows.size();
}

void FeatureSet::hold_stream(File& file, std::vector<std::int32_t>& labels) {
  const Schema& schema = file.reader->schema();
  std::size_t rows_per_sample = 0;
  while (auto batch = file.reader->next(kStreamRows, kStreamRows)) {
    throw_if_interrupted();
    if (batch->samples() == 0) continue;
    if (rows_per_sample == 0) {
      rows_per_sample = batch->row_end(0) - batch->row_begin(0);
      require_same_kind(file, schema, rows_per_sample);
      file.held = Tensor(DType::f32, {0, width_});
    }
    const Tensor rows = feature_matrix(*batch, rows_per_sample);
    const std::size_t before = file.held.rows();
    const std::uint64_t bytes = std::uint64_t{before + rows.rows()} * width_ * sizeof(float);
    if (bytes > memory_limit_) {
      throw Error(file.name,
                  fmt::format("a stream of more than {} of features does not fit", human_bytes(memory_limit_)),
                  "write it to a file first, or raise --memory");
    }
    file.held.resize_rows(before + rows.rows());
    const auto from = rows.as<float>();
    std::copy(from.begin(), from.end(), file.held.as<float>().begin() + static_cast<std::ptrdiff_t>(before * width_));
    file.held_ids.insert(file.held_ids.end(), batch->ids.begin(), batch->ids.end());
    labels.insert(labels.end(), batch->labels.begin(), batch->labels.end());
  }
  if (rows_per_sample == 0) throw Error(file.name, "holds no samples", "check how it was made");
}

void FeatureSet::add(const std::string& name, bool known_classes_only) {
  File file;
  file.name = name == "-" ? "standard input" : name;
  file.first = labels_.size();
  file.reader = SampleReader::open(name);
  const Schema schema = file.reader->schema();
  if (schema.kind != Kind::features && schema.kind != Kind::tokens && schema.kind != Kind::patches) {
    throw Error(file.name, fmt::format("holds {}, not features", name_of(schema.kind)), "give what mt-encode writes");
  }
  if (!schema.has_labels) {
    throw Error(file.name, "has no labels", "label the samples when tokenizing: mt-tokenize --labels or --manifest");
  }
  std::vector<std::int32_t> labels;
  if (file.reader->seekable()) {
    const auto samples = static_cast<std::size_t>(file.reader->samples().value());
    if (samples == 0) throw Error(file.name, "holds no samples", "check how it was made");
    std::size_t rows = 1;
    if (schema.ragged) {
      const auto offsets = file.reader->offsets(0, 1);
      rows = static_cast<std::size_t>(offsets[1] - offsets[0]);
    }
    require_same_kind(file, schema, rows);
    labels = file.reader->labels();
    take_labels(file, schema, labels, known_classes_only);
    file.inputs = file.reader->inputs();
  } else {
    hold_stream(file, labels);
    take_labels(file, schema, labels, known_classes_only);
    file.inputs = file.reader->inputs();
    file.reader.reset();
  }
  if (file.rows.empty()) {
    throw Error(file.name, fmt::format("none of its {} samples has a label", labels.size()),
                "label the samples when tokenizing: mt-tokenize --labels or --manifest");
  }
  files_.push_back(std::move(file));
}

std::vector<std::string> FeatureSet::drop_empty_classes() { return classes_.drop_empty(labels_); }

std::vector<std::size_t> FeatureSet::class_counts(std::size_t begin, std::size_t end) const {
  return classes_.counts(std::span(labels_).subspan(begin, end - begin));
}

FeatureSet::File& FeatureSet::file_of(std::size_t sample) { return file_holding(files_, sample); }

void FeatureSet::read_run(File& file, std::span<const std::size_t> samples, float* out) {
  if (file.reader == nullptr) {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto row = std::as_const(file.held).row<float>(file.rows[samples[i] - file.first]);
      std::copy(row.begin(), row.end(), out + i * width_);
    }
    return;
  }
  const std::size_t first = file.rows[samples.front() - file.first], last = file.rows[samples.back() - file.first];
  try {
    const Tensor rows = feature_matrix(file.reader->read(first, last + 1), input_.rows);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto row = rows.row<float>(file.rows[samples[i] - file.first] - first);
      std::copy(row.begin(), row.end(), out + i * width_);
    }
  } catch (const Error& error) {
    if (error.where().find(file.name) != std::string::npos) throw;
    throw error.within(file.name);
  }
}

void FeatureSet::read(std::span<const std::size_t> samples, float* out) {
  const std::uint64_t most = std::max<std::uint64_t>(1, kRunBytes / (width_ * sizeof(float)));
  for (std::size_t begin = 0; begin < samples.size();) {
    File& file = file_of(samples[begin]);
    const std::size_t file_end = file.first + file.rows.size();
    const auto row_of = [&](std::size_t i) { return std::size_t{file.rows[samples[i] - file.first]}; };
    std::size_t end = begin + 1;
    while (end < samples.size() && samples[end] > samples[end - 1] && samples[end] < file_end &&
           row_of(end) - row_of(end - 1) <= kGap && row_of(end) - row_of(begin) < most) {
      ++end;
    }
    read_run(file, samples.subspan(begin, end - begin), out + begin * width_);
    begin = end;
  }
}

std::string FeatureSet::describe(std::size_t sample) {
  File& file = file_of(sample);
  const std::size_t row = file.rows[sample - file.first];
  const std::string id = file.reader == nullptr ? file.held_ids[row] : file.reader->read(row, row + 1).ids.at(0);
  return fmt::format("{}: {}", file.name, printable(id));
}

void FeatureSet::for_each_id(const std::function<void(std::size_t, std::string_view)>& visit) {
  for (File& file : files_) {
    std::size_t begin = 0;
    while (begin < file.rows.size()) {
      throw_if_interrupted();
      const std::size_t end = std::min(file.rows.size(), begin + kStreamRows);
      if (file.reader == nullptr) {
        for (std::size_t i = begin; i < end; ++i) visit(file.first + i, file.held_ids[file.rows[i]]);
      } else {
        const Batch batch = file.reader->read(file.rows[begin], file.rows[end - 1] + std::size_t{1});
        for (std::size_t i = begin; i < end; ++i) visit(file.first + i, batch.ids[file.rows[i] - file.rows[begin]]);
      }
      begin = end;
    }
  }
}

Digest FeatureSet::digest() const {
  Sha256 hash;
  for (const File& file : files_) hash.update(hex(file.inputs));
  for (const std::string& name : class_names()) hash.update(fmt::format("{}:{}", name.size(), name));
  hash.update(std::as_bytes(std::span(labels_)));
  return hash.finish();
}

}  // namespace mt
