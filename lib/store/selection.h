// Which samples of a file are taken: filters that look at one sample, then choices that count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "store/batch.h"
#include "store/schema.h"

namespace mt {

// Applied in the order of the members; each sees what the one before has left.
struct Selection {
  std::optional<std::pair<std::int64_t, std::int64_t>> rows;  // positions [first, second) among the input's samples
  std::optional<std::vector<std::string>> ids;
  std::vector<std::string> labels;      // class names
  std::optional<double> fraction;       // by a hash of (seed, id): the same in every shard
  std::optional<std::uint64_t> sample;  // so many, chosen by (seed, position)
  std::optional<std::uint64_t> head, tail;
  std::uint64_t seed = 0;

  bool filters() const { return rows || ids || !labels.empty() || fraction; }
  bool counts() const { return sample || tail; }  // choices that need to know how many samples pass the filters
  bool any() const { return filters() || counts() || head; }
};

// "A:B", "A:", ":B" with 0 <= A <= B. Throws UsageError.
std::pair<std::int64_t, std::int64_t> parse_rows(std::string_view text);
// Sets selection.sample (a whole number of at least 1) or selection.fraction (between 0 and 1, exclusive). UsageError.
void parse_sample(std::string_view text, Selection& selection);
// The ids in a file: one a line, or of a CSV file with a header the column "id". Fields may be as csv_field writes
// them. Throws Error: an id twice, no column "id", larger than 1 GiB.
std::vector<std::string> read_id_list(const std::string& path);

// Looks at one sample after the other, in order.
class SampleFilter {
 public:
  // Throws Error when a label is no class of the schema.
  SampleFilter(const Selection& selection, const Schema& schema);
  bool takes(const Batch& batch, std::size_t i);
  // No later sample can pass: reading may stop.
  bool exhausted() const;
  // Wanted ids that have not passed by, sorted.
  std::vector<std::string> missing() const;

 private:
  const Selection& selection_;
  std::unordered_set<std::string> wanted_;
  std::vector<bool> wanted_class_;
  std::int64_t position_ = 0;
  std::uint64_t fraction_limit_ = 0;
};

// Chooses among the samples that passed the filters, by their number.
class SampleChoice {
 public:
  // total: how many pass the filters; needed when selection.counts() (logic_error otherwise). Memory: 8 bytes for each
  // sample that is taken by "sample".
  SampleChoice(const Selection& selection, std::optional<std::uint64_t> total);
  bool takes(std::uint64_t number) const;  // number: 0 .. total-1, ascending
  bool exhausted(std::uint64_t next) const { return next >= end_; }

 private:
  std::optional<std::vector<std::uint64_t>> chosen_;  // ascending
  std::uint64_t begin_ = 0, end_ = ~std::uint64_t{0};
};

// The samples for which keep is true, without the rejected inputs.
Batch kept_samples(const Batch& batch, const std::vector<bool>& keep);

}  // namespace mt
