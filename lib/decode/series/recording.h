// A continuous recording: rows in time, columns of values, perhaps a time and a class a row. CSV and TSV with a header,
// and NumPy arrays [steps, channels].
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace mt {

struct RecordingColumns {
  std::string time;                 // "": a column named date, time, datetime or timestamp, if there is one; "none"
  std::string label;                // "": no classes
  std::vector<std::string> values;  // empty: all others
  char separator = '\0';            // '\0': a tab, comma or semicolon, whichever the first line has most of
};

struct Recording {
  std::string where;                     // the file, for errors
  std::vector<std::string> channels;     // the columns' names; empty for arrays
  Tensor values;                         // [steps, channels] f32; NaN where missing
  std::vector<std::int64_t> times_ms;    // [steps] since 1970-01-01, or since any moment; empty when there is no time
  bool calendar = false;                 // the times are dates
  std::vector<std::uint32_t> labels;     // [steps], numbers of class_names; empty without classes
  std::vector<std::string> class_names;  // in the order of appearance; "" is unknown

  std::size_t steps() const { return values.rows(); }
  // The usual distance between two steps (their median), 0 without times or with fewer than two steps.
  std::int64_t interval_ms() const;
};

// A row of units behind the header ("m/s^2", "(g)") is left out. Held in memory: 4 bytes a value. Throws Error: no such
// column, no column of values, a value that is no number, a time that is none or not later than the one before it,
// damaged text, more values than max_values.
inline constexpr std::size_t kMostRecordedValues = std::size_t{1} << 30;
Recording read_recording(const std::filesystem::path& file, const RecordingColumns& columns,
                         std::size_t max_values = kMostRecordedValues);
// The same from text that is a file's contents.
Recording parse_recording(std::string_view text, const std::string& where, const RecordingColumns& columns,
                          std::size_t max_values = kMostRecordedValues);

// An array [steps, channels], or [steps] of one channel, of numbers. Throws Error for another shape.
Recording array_recording(const Tensor& array, const std::string& where);

}  // namespace mt
