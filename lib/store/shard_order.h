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

 private:
  const SampleFile* file_;
  std::string name_;
  std::vector<std::int64_t> samples_, rejected_;  // blocks read ahead
  std::size_t sample_ = 0, samples_begin_ = 0, reject_ = 0, rejected_begin_ = 0;
  std::optional<Step> current_;
};

// One sample of the union.
struct Placed {
  std::uint32_t shard = 0;
  std::uint64_t sample = 0;
};

// Merges the shards' indexes. order, if given, receives every sample in turn. Throws Error for inputs that come twice,
// and unless allow_missing for gaps, naming the missing shards where the given ones tell how many there are.
void check_order(const std::vector<const SampleFile*>& files, const std::vector<std::string>& names, bool allow_missing,
                 std::vector<Placed>* order = nullptr);

}  // namespace mt
