#include "decode/series/time_split.h"

#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr double kMonth_ms = 30.0 * 24 * 3600 * 1000;
constexpr std::array<std::pair<std::string_view, TimeSplit::Part>, 4> kParts = {{{"all", TimeSplit::Part::all},
                                                                                 {"train", TimeSplit::Part::train},
                                                                                 {"val", TimeSplit::Part::validation},
                                                                                 {"test", TimeSplit::Part::test}}};

std::array<std::size_t, 3> share_lengths(const std::vector<double>& shares, std::size_t steps) {
  const auto part = [&](double share) { return static_cast<std::size_t>(static_cast<double>(steps) * share); };
  const std::size_t train = part(shares[0]);
  // Shares that leave something over leave it at the end; else validation takes what rounding left.
  const bool whole = std::abs(shares[0] + shares[1] + shares[2] - 1) < 1e-9;
  const std::size_t test = part(shares[2]);
  return {train, whole ? steps - train - test : part(shares[1]), test};
}

std::array<std::size_t, 3> month_lengths(const std::vector<double>& months, std::int64_t interval_ms,
                                         std::string_view where) {
  if (interval_ms <= 0) throw Error(where, "has no times, so months cannot be counted", "split by shares");
  std::array<std::size_t, 3> lengths{};
  for (std::size_t i = 0; i < 3; ++i)
    lengths[i] = static_cast<std::size_t>(months[i] * kMonth_ms / static_cast<double>(interval_ms));
  return lengths;
}

}  // namespace

TimeSplit::Part time_part_named(std::string_view name) {
  for (const auto& [known, part] : kParts) {
    if (name == known) return part;
  }
  throw UsageError("--split", fmt::format("\"{}\" is not all, train, val or test", printable(name)));
}

std::string name_of(TimeSplit::Part part) {
  for (const auto& [name, known] : kParts) {
    if (part == known) return std::string(name);
  }
  return "";
}

void set_lengths(TimeSplit& split, std::string_view text) {
  const std::string_view whole = text;
  split.months = text.starts_with("months:");
  if (split.months) text.remove_prefix(std::string_view("months:").size());
  split.lengths.clear();
  double sum = 0;
  for (const std::string_view part : mt::split(text, ',')) {
    const auto length = parse_double(trimmed(part));
    if (!length || !(*length >= 0) || !(*length <= (split.months ? 12'000 : 1))) {
      split.lengths.clear();
      break;
    }
    split.lengths.push_back(*length);
    sum += *length;
  }
  if (split.lengths.size() != 3 || split.lengths[0] <= 0 || (!split.months && sum > 1 + 1e-9)) {
    throw UsageError("--split-lengths",
                     fmt::format("\"{}\" is not the lengths of train, validation and test", printable(whole)),
                     "e.g. 0.7,0.1,0.2 or months:12,4,4");
  }
}

StepRange part_of(const TimeSplit& split, TimeSplit::Part part, std::size_t steps, std::int64_t interval_ms,
                  std::string_view where) {
  if (part == TimeSplit::Part::all) return {0, steps};
  const auto [train, validation, test] =
      split.months ? month_lengths(split.lengths, interval_ms, where) : share_lengths(split.lengths, steps);
  if (train + validation + test > steps || train == 0) {
    throw Error(where, fmt::format("has {} steps, the split needs {} + {} + {}", steps, train, validation, test),
                "choose other --split-lengths");
  }
  switch (part) {
    case TimeSplit::Part::train:
      return {0, train};
    case TimeSplit::Part::validation:
      return {train, train + validation};
    case TimeSplit::Part::test:
      return {train + validation, train + validation + test};
    case TimeSplit::Part::all:
      break;
  }
  return {0, steps};
}

}  // namespace mt
