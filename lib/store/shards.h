// Several files of one run, open at once: equal settings, labels by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/label_map.h"
#include "store/sample_file.h"
#include "store/sample_reader.h"

namespace mt {

class Shards {
 public:
  // Opens all. Throws Error when one differs from the first, or has a class that the first one does not know.
  explicit Shards(const std::vector<std::string>& names);

  std::size_t size() const { return readers_.size(); }
  const std::string& name(std::size_t i) const { return names_[i]; }
  const std::vector<std::string>& names() const { return names_; }
  SampleReader& reader(std::size_t i) const { return *readers_[i]; }
  const Schema& schema() const { return readers_[0]->schema(); }
  // mt_inputs of the union, without the rejections that a retry superseded; zeros when that is not known.
  Digest inputs(const SetDigest& superseded) const;
  void map_labels(std::size_t i, Batch& batch) const;
  std::vector<const SampleFile*> files() const;  // empty when one is a stream

 private:
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<SampleReader>> readers_;
  std::vector<std::optional<LabelMap>> label_maps_;  // nullopt: the same classes
};

}  // namespace mt
