// The labelled samples of several files, joined by the names of their classes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/tensor.h"
#include "heads/head.h"
#include "store/sample_reader.h"
#include "train/joined_classes.h"

namespace mt {

class FeatureSet {
 public:
  // memory_limit: bytes of features that a stream ("-") may hold, since it cannot be read twice.
  explicit FeatureSet(std::uint64_t memory_limit) : memory_limit_(memory_limit) {}

  // Adds a file's samples that have a label, after those that are there. Classes are joined by name; files without
  // /label_names name them "0", "1", ... With known_classes_only a sample of a new class is an error. Throws Error: no
  // labels, another width, another number of rows a sample, tokens, patches and features mixed.
  void add(const std::string& name, bool known_classes_only = false);

  // Forgets classes without a sample, whose weights could only drift away. Returns their names.
  std::vector<std::string> drop_empty_classes();

  std::size_t samples() const { return labels_.size(); }  // labelled ones
  std::size_t unlabelled() const { return unlabelled_; }  // left out
  std::size_t width() const { return width_; }            // of one sample as the head takes it
  const HeadInput& input() const { return input_; }
  const std::vector<std::string>& class_names() const { return classes_.names(); }
  std::int32_t label(std::size_t sample) const { return labels_[sample]; }
  std::vector<std::size_t> class_counts(std::size_t begin, std::size_t end) const;  // [C], of samples [begin, end)

  // Rows of the given samples, [samples, width] f32, overwritten. Ascending numbers are read in runs.
  void read(std::span<const std::size_t> samples, float* out);
  // "FILE: ID", for messages.
  std::string describe(std::size_t sample);
  // Calls visit(sample, id) for each labelled sample in order. One pass over the files.
  void for_each_id(const std::function<void(std::size_t, std::string_view)>& visit);

  // SHA-256 over what the files state of their inputs, and all labels: equal for equal data.
  Digest digest() const;

 private:
  struct File {
    std::string name;
    std::size_t first = 0;                 // number of its first sample here
    std::vector<std::uint32_t> rows;       // where its labelled samples are, ascending
    std::unique_ptr<SampleReader> reader;  // null for a stream, which is held:
    Tensor held;                           // [labelled samples, width] f32
    std::vector<std::string> held_ids;
    Digest inputs{};
  };
  File& file_of(std::size_t sample);
  void require_same_kind(const File& file, const Schema& schema, std::size_t rows);
  void take_labels(File& file, const Schema& schema, std::span<const std::int32_t> labels, bool known_classes_only);
  void hold_stream(File& file, std::vector<std::int32_t>& labels);
  void read_run(File& file, std::span<const std::size_t> samples, float* out);

  std::uint64_t memory_limit_;
  std::vector<File> files_;
  std::vector<std::int32_t> labels_;
  JoinedClasses classes_;
  HeadInput input_;
  std::size_t row_width_ = 0, width_ = 0, unlabelled_ = 0;
};

}  // namespace mt
