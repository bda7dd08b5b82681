#include "store/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <queue>
#include <stdexcept>

#include <fmt/format.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/files.h"
#include "base/random.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr std::uint64_t kLargestList = std::uint64_t{1} << 30;

// 64 random bits of one position, without a stream's state.
std::uint64_t random_key(std::uint64_t seed, std::uint64_t stream, std::uint64_t position) {
  const auto bits = philox({static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32),
                            static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
                           {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  return (std::uint64_t{bits[0]} << 32) | bits[1];
}

// The positions of the count smallest keys among total, ascending.
std::vector<std::uint64_t> smallest_keys(std::uint64_t seed, std::uint64_t total, std::uint64_t count) {
  const std::uint64_t stream = stream_of("sample");
  std::priority_queue<std::pair<std::uint64_t, std::uint64_t>> largest;  // of those kept
  for (std::uint64_t position = 0; position < total; ++position) {
    const std::pair<std::uint64_t, std::uint64_t> entry(random_key(seed, stream, position), position);
    if (largest.size() < count) {
      largest.push(entry);
    } else if (entry < largest.top()) {
      largest.pop();
      largest.push(entry);
    }
  }
  std::vector<std::uint64_t> chosen;
  for (; !largest.empty(); largest.pop()) chosen.push_back(largest.top().second);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace

std::pair<std::int64_t, std::int64_t> parse_rows(std::string_view text) {
  const std::vector<std::string_view> ends = split(text, ':');
  std::optional<std::int64_t> begin, end;
  if (ends.size() == 2) {
    begin = ends[0].empty() ? 0 : parse_int(ends[0]);
    end = ends[1].empty() ? std::numeric_limits<std::int64_t>::max() : parse_int(ends[1]);
  }
  if (!begin || !end || *begin < 0 || *end < *begin) {
    throw UsageError("--rows", fmt::format("\"{}\" is not A:B with 0 <= A <= B", text), "e.g. --rows 0:100");
  }
  return {*begin, *end};
}

void parse_sample(std::string_view text, Selection& selection) {
  const auto count = parse_int(text);
  const auto fraction = parse_double(text);
  if (count && *count >= 1) {
    selection.sample = static_cast<std::uint64_t>(*count);
  } else if (fraction && *fraction > 0 && *fraction < 1) {
    selection.fraction = *fraction;
  } else {
    throw UsageError("--sample", fmt::format("\"{}\" is neither a number of samples nor a fraction below 1", text),
                     "e.g. --sample 1000 or --sample 0.1");
  }
}

std::vector<std::string> read_id_list(const std::string& path) {
  const std::string text = read_text_file(path, kLargestList);
  std::vector<std::string> ids;
  std::size_t position = 0, column = 0, line = 0;
  try {
    while (position < text.size()) {
      const std::vector<std::string> row = csv_row(text, position);
      ++line;
      if (line == 1) {
        const auto found = std::find(row.begin(), row.end(), "id");
        if (found != row.end()) {
          column = static_cast<std::size_t>(found - row.begin());
          continue;
        }
        if (row.size() > 1)
          throw Error("", "has several columns, none is called \"id\"",
                      "name the column \"id\", or quote ids that hold commas");
      }
      if (row.size() == 1 && row[0].empty()) continue;
      if (column >= row.size())
        throw Error("", fmt::format("has {} columns, the ids are in column {}", row.size(), column + 1));
      ids.push_back(csv_text(row[column]));
    }
  } catch (const Error& error) {
    throw error.within(fmt::format("{}: line {}", path, std::max<std::size_t>(line, 1)));
  }
  std::vector<std::string> sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) throw Error(path, fmt::format("lists \"{}\" twice", *twice), "list every id once");
  return ids;
}

SampleFilter::SampleFilter(const Selection& selection, const Schema& schema) : selection_(selection) {
  if (selection.ids) wanted_.insert(selection.ids->begin(), selection.ids->end());
  if (!selection.labels.empty()) {
    wanted_class_.resize(schema.label_names.size());
    for (const std::string& name : selection.labels) {
      const auto found = std::find(schema.label_names.begin(), schema.label_names.end(), name);
      if (found == schema.label_names.end()) {
        const std::string near = nearest(name, schema.label_names);
        throw Error("--label", fmt::format("\"{}\" is none of the {} classes", name, schema.label_names.size()),
                    near.empty() ? "mt-inspect lists the classes" : "did you mean \"" + near + "\"?");
      }
      wanted_class_[static_cast<std::size_t>(found - schema.label_names.begin())] = true;
    }
  }
  if (selection.fraction) fraction_limit_ = static_cast<std::uint64_t>(std::ldexp(*selection.fraction, 64));
}

bool SampleFilter::takes(const Batch& batch, std::size_t i) {
  const std::int64_t position = position_++;
  if (selection_.rows && (position < selection_.rows->first || position >= selection_.rows->second)) return false;
  if (selection_.ids && wanted_.erase(batch.ids[i]) == 0) return false;
  if (!selection_.labels.empty()) {
    const std::int32_t label = batch.labels.empty() ? -1 : batch.labels[i];
    if (label < 0 || !wanted_class_[static_cast<std::size_t>(label)]) return false;
  }
  return !selection_.fraction || random_key(selection_.seed, stream_of(batch.ids[i]), 0) < fraction_limit_;
}

bool SampleFilter::exhausted() const {
  return (selection_.rows && position_ >= selection_.rows->second) || (selection_.ids && wanted_.empty());
}

std::vector<std::string> SampleFilter::missing() const {
  std::vector<std::string> ids(wanted_.begin(), wanted_.end());
  std::sort(ids.begin(), ids.end());
  return ids;
}

SampleChoice::SampleChoice(const Selection& selection, std::optional<std::uint64_t> total) {
  if (selection.counts() && !total) throw std::logic_error("SampleChoice: the number of samples must be known");
  std::uint64_t left = total.value_or(~std::uint64_t{0});
  if (selection.sample && *selection.sample < left) {
    chosen_ = smallest_keys(selection.seed, left, *selection.sample);
    left = chosen_->size();
  }
  std::uint64_t begin = 0, end = left;
  if (selection.head) end = std::min(end, *selection.head);
  if (selection.tail && *selection.tail < end) begin = end - *selection.tail;
  if (chosen_) {
    chosen_->erase(chosen_->begin() + static_cast<std::ptrdiff_t>(end), chosen_->end());
    chosen_->erase(chosen_->begin(), chosen_->begin() + static_cast<std::ptrdiff_t>(begin));
    begin_ = chosen_->empty() ? 0 : chosen_->front();
    end_ = chosen_->empty() ? 0 : chosen_->back() + 1;
  } else {
    begin_ = begin;
    end_ = end;
  }
}

bool SampleChoice::takes(std::uint64_t number) const {
  if (number < begin_ || number >= end_) return false;
  return !chosen_ || std::binary_search(chosen_->begin(), chosen_->end(), number);
}

Batch kept_samples(const Batch& batch, const std::vector<bool>& keep) {
  Batch kept;
  for (std::size_t begin = 0; begin < keep.size();) {
    if (!keep[begin]) {
      ++begin;
      continue;
    }
    std::size_t end = begin;
    while (end < keep.size() && keep[end]) ++end;
    kept.append(batch, begin, end);
    begin = end;
  }
  return kept;
}

}  // namespace mt
