// Training, validation and test parts of a recording: one behind the other in time, so that nothing learns from what
// comes later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

struct TimeSplit {
  enum class Part : std::uint8_t { all, train, validation, test };
  Part part = Part::all;
  std::vector<double> lengths = {0.7, 0.1, 0.2};  // of train, validation, test
  bool months = false;                            // lengths count months of 30 days; else shares of all rows
};
TimeSplit::Part time_part_named(std::string_view name);  // "all", "train", "val", "test"; throws UsageError
// "0.7,0.1,0.2" (at most 1 in all) or "months:12,4,4"; throws UsageError. part stays as it is.
void set_lengths(TimeSplit& split, std::string_view text);
std::string name_of(TimeSplit::Part part);

struct StepRange {
  std::size_t begin = 0, end = 0;
};
// The steps of a part. Shares as the Time-Series-Library has them: floor(0.7 n) steps of training, floor(0.2 n) of test
// at the end, the rest between them is validation. Months: 12, 4 and 4 times 30 days of steps interval_ms apart from
// the start; what is behind them belongs to no part. Throws Error: months without times, a recording that is shorter.
StepRange part_of(const TimeSplit& split, TimeSplit::Part part, std::size_t steps, std::int64_t interval_ms,
                  std::string_view where);

}  // namespace mt
