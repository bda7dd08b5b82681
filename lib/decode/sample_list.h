// Files, directories, manifests and lists of paths seen as one indexed list of samples, with ids and classes. Files may
// hold one sample or many. The list is fixed at construction and depends on nothing but its inputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decode/class_labels.h"
#include "decode/manifest.h"

namespace mt {

struct SampleListOptions {
  std::vector<std::string> inputs;     // files, directories, "-" (paths on standard input, one a line)
  std::vector<std::string> manifests;  // CSV, TSV, JSON, JSON lines; paths are relative to the manifest's directory
  ManifestColumns columns;
  std::string labels;  // "directory": class is the folder's name; a path: NPY/NPZ labels, CSV id,label; "": the inputs'
  bool id_stem = false;  // --ids stem: ids without extension
};

// A file that holds several samples.
class SampleContainer {
 public:
  virtual ~SampleContainer() = default;
  virtual std::size_t samples() const = 0;
  // Adds a class for each sample, where the file names them; else adds nothing and returns false.
  virtual bool add_labels(ClassLabels& labels) const = 0;
};

class SampleList {
 public:
  // What a directory's files are taken for, e.g. {"ply", "off"} and "point clouds"; open gives the container that a
  // file is, or null when it is one sample.
  struct Kind {
    std::vector<std::string_view> extensions;
    std::string what;
    std::function<std::shared_ptr<const SampleContainer>(const std::string& path)> open;
  };
  // Throws Error, UsageError: an input that does not exist, a directory without files of the kind, no samples at all,
  // two samples of one id, labels that do not fit.
  SampleList(const SampleListOptions& options, const Kind& kind);

  std::size_t size() const { return parts_.empty() ? 0 : parts_.back().first + parts_.back().count; }
  // Path relative to the input argument (a file's own name, "file#row" in containers, as written in lists and
  // manifests), percent-escaped, unique.
  std::string id(std::size_t i) const;
  bool has_labels() const { return has_labels_; }
  const std::vector<std::string>& label_names() const { return labels_.names(); }
  std::int32_t label(std::size_t i) const { return has_labels_ ? labels_[i] : -1; }  // -1 unknown

  struct Place {
    std::string path;
    const SampleContainer* container = nullptr;  // null: the file is the sample
    std::size_t row = 0;
  };
  Place place(std::size_t i) const;

 private:
  class Builder;
  // Samples that came from one input: files below a root, or those of one container.
  struct Part {
    std::size_t first = 0, count = 0;
    std::filesystem::path root;
    std::vector<std::string> paths;  // relative to root
    std::vector<std::string> ids;    // where the input names them; else they follow from the paths
    std::shared_ptr<const SampleContainer> container;
  };
  const Part& part_of(std::size_t i) const;
  void require_unique_ids() const;

  std::vector<Part> parts_;
  ClassLabels labels_;
  bool has_labels_ = false, id_stem_ = false;
};

}  // namespace mt
