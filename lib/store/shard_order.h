// In which order the inputs of several shards follow each other, found from their indexes alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/sample_file.h"

namespace mt {

// Walks the indexes of one file, samples and rejected inputs merged in ascending order, in bounded memory. Throws Error
// when they do not ascend.
class IndexWalk {
 public:
  IndexWalk(const SampleFile& file, std::string name);
  struct Step {
    std::int64_t index = 0;
    std::size_t position = 0;  // among the samples, or among the rejected inputs
    bool rejected = false;
  };
  const std::optional<Step>& current() const { return current_; }
  void advance();
  std::string id() const;             // of the current input
  const Rejected& rejection() const;  // the current one, when it is rejected

 private:
  const SampleFile* file_;
  std::string name_;
  std::vector<std::int64_t> samples_;  // blocks read ahead
  std::vector<Rejected> rejected_;
  std::size_t sample_ = 0, samples_begin_ = 0, reject_ = 0, rejected_begin_ = 0;
  std::optional<Step> current_;
};

// One input as a shard has it.
struct Version {
  std::size_t shard = 0;
  bool rejected = false;
  std::string id;
};

// Which of several shards' versions of one input counts (its place in the list, which is in the order of the shards):
// the accepted one, which supersedes the rejections of a run before, else the last rejection. Throws Error naming the
// shards: two accepted it, or they have different ids.
std::size_t version_that_counts(const std::vector<Version>& versions, std::int64_t index,
                                const std::vector<std::string>& names);

// Adds what a superseded rejection counts in mt_inputs, where it says.
void supersede(const Rejected& rejection, SetDigest& superseded);

// One sample or rejected input of the union.
struct Placed {
  std::uint32_t shard = 0;
  std::uint64_t position = 0;  // among the shard's samples, or among its rejected inputs
};

// The union by /index.
struct Order {
  std::vector<Placed> samples, rejected;
};

// Merges the shards' indexes. order, if given, receives every input in turn. Returns the superseded rejections' part of
// mt_inputs. Throws Error for inputs that come twice, and unless allow_missing for gaps, naming the missing shards
// where the given ones tell how many there are.
SetDigest check_order(const std::vector<const SampleFile*>& files, const std::vector<std::string>& names,
                      bool allow_missing, Order* order = nullptr);

}  // namespace mt
