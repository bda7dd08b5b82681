#include "store/subset.h"

#include <algorithm>
#include <span>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "base/interrupt.h"

namespace mt {

namespace {

constexpr std::size_t kBatchBytes = std::size_t{16} << 20;

// Numbers of the classes that remain; -1 for those that go.
std::vector<std::int32_t> remaining_labels(const std::vector<std::string>& names,
                                           const std::vector<std::string>& wanted) {
  std::vector<std::int32_t> numbers;
  std::int32_t next = 0;
  for (const std::string& name : names) {
    const bool stays = std::find(wanted.begin(), wanted.end(), name) != wanted.end();
    numbers.push_back(stays ? next++ : -1);
  }
  return numbers;
}

}  // namespace

Subset::Subset(SubsetOptions options, const Schema& schema)
    : options_(std::move(options)), schema_(schema), filter_(options_.selection, schema) {
  if (!options_.selection.labels.empty()) {
    new_labels_ = remaining_labels(schema.label_names, options_.selection.labels);
    std::vector<std::string> names;
    for (std::size_t c = 0; c < new_labels_.size(); ++c) {
      if (new_labels_[c] >= 0) names.push_back(schema.label_names[c]);
    }
    schema_.label_names = std::move(names);
  }
  if (!needs_survey()) choice_.emplace(options_.selection, std::nullopt);
}

void Subset::survey(SampleReader& reader, Progress& progress) {
  SampleFilter filter(options_.selection, reader.schema());
  std::vector<std::int32_t> labels;
  std::vector<std::uint32_t> groups;
  std::unordered_map<std::string, std::uint32_t> group_numbers;
  const bool splits = !options_.parts.empty();
  std::uint64_t total = 0;

  if (reader.seekable() && !options_.selection.filters() && !options_.grouping) {
    total = static_cast<std::uint64_t>(*reader.samples());
    if (splits) labels = reader.schema().has_labels ? reader.labels() : std::vector<std::int32_t>(total, -1);
  } else {
    const std::size_t rows = std::max<std::size_t>(1, kBatchBytes / (4 * std::max<std::size_t>(1, schema_.width)));
    while (const auto batch = reader.next(rows, rows)) {
      throw_if_interrupted();
      for (std::size_t i = 0; i < batch->samples(); ++i) {
        if (!filter.takes(*batch, i)) continue;
        ++total;
        if (splits) labels.push_back(batch->labels.empty() ? -1 : batch->labels[i]);
        if (!splits || !options_.grouping) continue;
        const auto [found, fresh] = group_numbers.try_emplace(options_.grouping->group_of(batch->ids[i]),
                                                              static_cast<std::uint32_t>(group_numbers.size()));
        groups.push_back(found->second);
      }
      progress.advance(static_cast<std::int64_t>(batch->samples()));
      if (filter.exhausted()) break;
    }
  }
  choice_.emplace(options_.selection, total);
  if (!splits) return;

  // Only what was chosen is split.
  std::size_t kept = 0;
  for (std::uint64_t number = 0; number < total; ++number) {
    if (!choice_->takes(number)) continue;
    labels[kept] = labels[number];
    if (options_.grouping) groups[kept] = groups[number];
    ++kept;
  }
  labels.resize(kept);
  groups.resize(options_.grouping ? kept : 0);
  part_of_ = options_.grouping ? split_groups(groups, labels, options_.parts, options_.selection.seed)
                               : split_samples(kept, labels, options_.parts, options_.selection.seed);
}

std::vector<Batch> Subset::take(Batch batch) {
  if (!choice_) throw std::logic_error("Subset: the survey is missing");
  std::vector<Batch> parts_of_batch;
  if (everything()) {
    parts_of_batch.push_back(std::move(batch));
    return parts_of_batch;
  }
  std::vector<std::vector<bool>> keep(parts(), std::vector<bool>(batch.samples()));
  for (std::size_t i = 0; i < batch.samples(); ++i) {
    if (!filter_.takes(batch, i) || !choice_->takes(passed_++)) continue;
    keep[part_of_.empty() ? 0 : part_of_[chosen_]][i] = true;
    ++chosen_;
  }
  for (const std::vector<bool>& one : keep) {
    parts_of_batch.push_back(kept_samples(batch, one));
    relabel(parts_of_batch.back());
  }
  return parts_of_batch;
}

void Subset::relabel(Batch& batch) const {
  if (new_labels_.empty()) return;
  for (std::int32_t& label : batch.labels) {
    if (label >= 0) label = new_labels_[static_cast<std::size_t>(label)];
  }
}

bool Subset::exhausted() const { return !everything() && (filter_.exhausted() || choice_->exhausted(passed_)); }

std::vector<std::string> Subset::missing() const { return filter_.missing(); }

void add_content(const Batch& batch, SetDigest& inputs) {
  const std::size_t row_bytes = batch.rows.columns() * size_of(batch.rows.dtype());
  for (std::size_t i = 0; i < batch.samples(); ++i) {
    const std::span<const std::byte> rows =
        batch.rows.bytes().subspan(batch.row_begin(i) * row_bytes, (batch.row_end(i) - batch.row_begin(i)) * row_bytes);
    inputs.add(batch.ids[i], sha256(rows));
  }
}

}  // namespace mt
