// The samples that a selection takes, divided among the parts of a split, batch by batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/progress.h"
#include "store/grouping.h"
#include "store/sample_reader.h"
#include "store/selection.h"
#include "store/split.h"

namespace mt {

struct SubsetOptions {
  Selection selection;
  std::vector<SplitPart> parts;      // empty: everything goes to one
  std::optional<Grouping> grouping;  // of the split
};

class Subset {
 public:
  // Throws Error when a selected label is no class of the schema.
  Subset(SubsetOptions options, const Schema& schema);
  Subset(const Subset&) = delete;  // the filter refers to the options
  Subset& operator=(const Subset&) = delete;

  // Whether the samples must be looked at once before the first can be taken: then call survey with a reader of its
  // own.
  bool needs_survey() const { return options_.selection.counts() || !options_.parts.empty(); }
  // Reads no rows where the labels alone decide and the reader can seek. Keeps 8 bytes a sample of a split.
  void survey(SampleReader& reader, Progress& progress);

  // Samples of a selection lose classes that were not selected.
  Schema schema_of_output() const { return schema_; }
  std::size_t parts() const { return options_.parts.empty() ? 1 : options_.parts.size(); }

  // The next batch of the input, divided. Rejected inputs go along only when nothing is selected or split.
  std::vector<Batch> take(Batch batch);
  bool exhausted() const;                    // no later sample is taken: reading may stop
  std::vector<std::string> missing() const;  // selected ids that have not come, once all batches were taken

 private:
  bool everything() const { return !options_.selection.any() && options_.parts.empty(); }
  void relabel(Batch& batch) const;

  SubsetOptions options_;
  Schema schema_;
  std::vector<std::int32_t> new_labels_;  // of the old ones; empty: unchanged
  SampleFilter filter_;
  std::optional<SampleChoice> choice_;
  std::vector<std::uint32_t> part_of_;  // of the samples that were chosen
  std::uint64_t passed_ = 0, chosen_ = 0;
};

// mt_inputs of samples that were picked out: each id with the SHA-256 of its rows.
void add_content(const Batch& batch, SetDigest& inputs);

}  // namespace mt
