// Samples to learn from that stay in their files, patches as a rule: labelled ones, joined by the names of their
// classes, or those with numbers to be predicted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "store/sample_reader.h"
#include "train/joined_classes.h"

namespace mt {

// What a set's samples are learned by.
enum class Supervision : std::uint8_t { labels, numbers };

class SampleSet {
 public:
  // kind: of all files; nullopt: the first file's.
  explicit SampleSet(Supervision supervision = Supervision::labels, std::optional<Kind> kind = Kind::patches)
      : supervision_(supervision), kind_(kind) {}

  // Adds a file's samples after those that are there: those that have a label (train/joined_classes.h), or all of them,
  // with their /targets. Throws Error: a stream, which cannot be read twice; another kind, no labels or targets; other
  // targets than the files before; patches that were not cut as those of the files before.
  void add(const std::string& name, bool known_classes_only = false);
  // Forgets classes without a sample. Returns their names.
  std::vector<std::string> drop_empty_classes() { return classes_.drop_empty(labels_); }

  Supervision supervision() const { return supervision_; }
  const Schema& schema() const { return schema_; }  // of the first file
  std::size_t samples() const { return labels_.size(); }
  std::size_t unlabelled() const { return unlabelled_; }  // left out
  const std::vector<std::string>& class_names() const { return classes_.names(); }
  const std::vector<std::int32_t>& labels() const { return labels_; }  // of numbers: zeros, one class
  std::int32_t label(std::size_t sample) const { return labels_[sample]; }
  std::size_t patches(std::size_t sample) const { return lengths_[sample]; }  // of one sample, or its other rows
  std::size_t bytes(std::size_t sample) const { return patches(sample) * row_bytes_; }

  // The given samples in their order, with the joined classes as labels and without targets, or with targets. Ascending
  // numbers are read in runs.
  Batch read(std::span<const std::size_t> samples);
  // "FILE: ID", for messages.
  std::string describe(std::size_t sample);
  // Calls visit(sample, id) for each labelled sample in order. One pass over the ids.
  void for_each_id(const std::function<void(std::size_t, std::string_view)>& visit);

  // SHA-256 over what the files state of their inputs and how they were made, and all labels: equal for equal data.
  Digest digest() const;

 private:
  struct File {
    std::string name;
    std::size_t first = 0;            // number of its first sample here
    std::vector<std::uint32_t> rows;  // where its labelled samples are, ascending
    std::unique_ptr<SampleReader> reader;
  };
  File& file_of(std::size_t sample);
  void require_alike(const std::string& file, const Schema& schema) const;
  LabelledRows supervised(const std::string& name, SampleReader& reader, bool known_classes_only);

  Supervision supervision_;
  std::optional<Kind> kind_;
  std::vector<File> files_;
  Schema schema_;
  std::size_t row_bytes_ = 0;
  std::vector<std::int32_t> labels_;
  std::vector<std::uint32_t> lengths_;
  JoinedClasses classes_;
  std::size_t unlabelled_ = 0;
};

}  // namespace mt
