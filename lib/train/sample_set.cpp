#include "train/sample_set.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "train/labelled_files.h"

namespace mt {

namespace {

constexpr std::size_t kIdsAtOnce = 4096;
constexpr std::size_t kRunBytes = std::size_t{16} << 20;

}  // namespace

void SampleSet::require_alike(const std::string& file, const Schema& schema) const {
  if (files_.empty()) return;
  const auto unlike = [&](const std::string& what, const std::string& here, const std::string& before) {
    throw Error(file, fmt::format("{} {}, {} in the files before it", what, here, before),
                "cut all of them alike, with one --model");
  };
  if (schema.modality != schema_.modality) unlike("holds", printable(schema.modality), printable(schema_.modality));
  if (schema.width != schema_.width)
    unlike("its rows have", fmt::format("{} numbers", schema.width), fmt::to_string(schema_.width));
  if (schema.code_width != schema_.code_width)
    unlike("has", fmt::format("{} codes a patch", schema.code_width), fmt::to_string(schema_.code_width));
  if (schema.number_width != schema_.number_width)
    unlike("has", fmt::format("{} numbers beside its patches", schema.number_width),
           fmt::to_string(schema_.number_width));
  if (supervision_ == Supervision::numbers &&
      (schema.target_width != schema_.target_width || schema.target_names != schema_.target_names))
    throw Error(file, fmt::format("has other targets than {}", files_.front().name), "tokenize all of them alike");
  if (schema.has_grid != schema_.has_grid || schema.has_centers != schema_.has_centers)
    throw Error(file, "has other columns than the files before it", "cut all of them alike, with one --model");
  // The tokenizer that cut them, and what decides the layout and scale of pictures.
  for (const char* setting : {"tokenizer", "patch", "size", "learn_size", "filter", "normalized", "mean", "std"}) {
    const auto here = schema.config.value(setting, nlohmann::json()),
               before = schema_.config.value(setting, nlohmann::json());
    if (here != before) unlike(fmt::format("its {} is", setting), here.dump(), before.dump());
  }
}

// The rows of a file that can be learned from, with their labels.
LabelledRows SampleSet::supervised(const std::string& name, SampleReader& reader, bool known_classes_only) {
  const Schema& schema = reader.schema();
  const auto samples = static_cast<std::size_t>(reader.samples().value());
  if (supervision_ == Supervision::numbers) {
    if (schema.target_width == 0)
      throw Error(
          name, "has no /targets",
          schema.has_labels ? "leave --task regression out to learn its classes" : "tokenize data with targets");
    require_alike(name, schema);
    if (samples == 0) throw Error(name, "holds no samples", "check how it was made");
    LabelledRows all;
    all.rows.resize(samples);
    std::iota(all.rows.begin(), all.rows.end(), 0U);
    all.labels.assign(samples, 0);
    return all;
  }
  if (!schema.has_labels) {
    throw Error(name, "has no labels", "label the samples when tokenizing: mt-tokenize --labels or --manifest");
  }
  require_alike(name, schema);
  LabelledRows labelled = classes_.join(name, schema, reader.labels(), known_classes_only);
  if (labelled.rows.empty()) {
    throw Error(name, fmt::format("none of its {} samples has a label", samples),
                "label the samples when tokenizing: mt-tokenize --labels or --manifest");
  }
  return labelled;
}

void SampleSet::add(const std::string& name, bool known_classes_only) {
  if (name == "-") {
    throw Error("standard input", "samples are read once an epoch, a stream can be read once",
                "write them to a file first");
  }
  File file;
  file.name = name;
  file.first = labels_.size();
  file.reader = SampleReader::open(name);
  const Schema& schema = file.reader->schema();
  if (!kind_) kind_ = schema.kind;
  if (schema.kind != *kind_)
    throw Error(name, fmt::format("holds {}, not {}", name_of(schema.kind), name_of(*kind_)),
                *kind_ == Kind::patches ? "make them with mt-tokenize --patches" : "make all files alike");
  if (!file.reader->seekable())
    throw Error(name, "is a stream, and samples are read once an epoch", "write them to a file with -o FILE");
  LabelledRows labelled = supervised(name, *file.reader, known_classes_only);
  const auto samples = static_cast<std::size_t>(file.reader->samples().value());
  const std::vector<std::int64_t> offsets =
      schema.ragged ? file.reader->offsets(0, samples) : std::vector<std::int64_t>();
  for (const std::uint32_t row : labelled.rows) {
    const std::int64_t length = offsets.empty() ? 1 : offsets[row + 1] - offsets[row];
    lengths_.push_back(checked_cast<std::uint32_t>(length, name));
  }
  unlabelled_ += samples - labelled.rows.size();
  file.rows = std::move(labelled.rows);
  labels_.insert(labels_.end(), labelled.labels.begin(), labelled.labels.end());
  if (files_.empty()) {
    schema_ = schema;
    row_bytes_ =
        std::max<std::size_t>(1, schema.width * size_of(schema.dtype) + schema.code_width * sizeof(std::int32_t) +
                                     (schema.has_centers ? 3 * sizeof(float) : 0));
  }
  files_.push_back(std::move(file));
}

SampleSet::File& SampleSet::file_of(std::size_t sample) { return file_holding(files_, sample); }

Batch SampleSet::read(std::span<const std::size_t> samples) {
  Batch result;
  for (std::size_t begin = 0; begin < samples.size();) {
    File& file = file_of(samples[begin]);
    const auto row_of = [&](std::size_t i) { return std::size_t{file.rows[samples[i] - file.first]}; };
    const std::size_t file_end = file.first + file.rows.size();
    std::size_t end = begin + 1, run = bytes(samples[begin]);
    while (end < samples.size() && samples[end] < file_end && samples[end] == samples[end - 1] + 1 &&
           row_of(end) == row_of(end - 1) + 1 && run + bytes(samples[end]) <= kRunBytes) {
      run += bytes(samples[end++]);
    }
    try {
      const Batch read = file.reader->read(row_of(begin), row_of(end - 1) + 1);
      result.append(read, 0, read.samples());
    } catch (const Error& error) {
      if (error.where().find(file.name) != std::string::npos) throw;
      throw error.within(file.name);
    }
    begin = end;
  }
  if (supervision_ == Supervision::numbers) return result;
  for (std::size_t i = 0; i < samples.size(); ++i) result.labels[i] = labels_[samples[i]];
  result.targets = Tensor();
  return result;
}

std::string SampleSet::describe(std::size_t sample) {
  File& file = file_of(sample);
  const std::size_t row = file.rows[sample - file.first];
  return fmt::format("{}: {}", file.name, printable(file.reader->read(row, row + 1).ids.at(0)));
}

void SampleSet::for_each_id(const std::function<void(std::size_t, std::string_view)>& visit) {
  for (File& file : files_) {
    for (std::size_t begin = 0; begin < file.rows.size();) {
      throw_if_interrupted();
      std::size_t end = begin + 1, run = bytes(file.first + begin);
      while (end < file.rows.size() && end - begin < kIdsAtOnce && run < kRunBytes) run += bytes(file.first + end++);
      const Batch batch = file.reader->read(file.rows[begin], file.rows[end - 1] + std::size_t{1});
      for (std::size_t i = begin; i < end; ++i) visit(file.first + i, batch.ids[file.rows[i] - file.rows[begin]]);
      begin = end;
    }
  }
}

Digest SampleSet::digest() const {
  Sha256 hash;
  for (const File& file : files_) hash.update(hex(file.reader->inputs())).update(file.reader->schema().config.dump());
  for (const std::string& name : class_names()) hash.update(fmt::format("{}:{}", name.size(), name));
  hash.update(std::as_bytes(std::span(labels_)));
  return hash.finish();
}

}  // namespace mt
