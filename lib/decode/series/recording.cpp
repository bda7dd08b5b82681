#include "decode/series/recording.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "decode/delimited.h"
#include "decode/series/calendar.h"
#include "decode/series/series_lines.h"

namespace mt {

namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1), kMostClasses = 100'000;
constexpr double kLongestTime_s = 9.0e15;  // whole seconds that a double, and as milliseconds an int64, can hold

// A column's role, found from the header.
struct Layout {
  std::size_t time = kNone, label = kNone;
  std::vector<std::size_t> values;
};

std::size_t time_column(const std::vector<std::string>& header, const RecordingColumns& columns,
                        const std::string& where) {
  if (columns.time == "none") return kNone;
  if (!columns.time.empty()) return column_named(header, columns.time, where);
  for (std::size_t i = 0; i < header.size(); ++i) {
    const std::string name = lower_ascii(trimmed(header[i]));
    if (name == "date" || name == "time" || name == "datetime" || name == "timestamp") return i;
  }
  return kNone;
}

Layout layout_of(const std::vector<std::string>& header, const RecordingColumns& columns, const std::string& where) {
  Layout layout;
  layout.time = time_column(header, columns, where);
  if (!columns.label.empty()) layout.label = column_named(header, columns.label, where);
  for (const std::string& name : columns.values) {
    const std::size_t column = column_named(header, name, where);
    if (column == layout.time || column == layout.label)
      throw Error(where, fmt::format("column \"{}\" cannot be a value as well", printable(name)));
    layout.values.push_back(column);
  }
  for (std::size_t i = 0; columns.values.empty() && i < header.size(); ++i) {
    if (i != layout.time && i != layout.label) layout.values.push_back(i);
  }
  if (layout.values.empty()) throw Error(where, "has no column of values", "is this a recording with a header line?");
  return layout;
}

// A time as a date, or as a number of seconds.
std::optional<std::int64_t> time_of(std::string_view text, bool& calendar) {
  if (const auto date = parse_time(text)) {
    calendar = true;
    return date;
  }
  const auto seconds = parse_double(text);
  if (!seconds || !(std::abs(*seconds) < kLongestTime_s / 1000)) return std::nullopt;
  return static_cast<std::int64_t>(std::llround(*seconds * 1000));
}

class Reader {
 public:
  Reader(DelimitedReader& rows, const std::string& where, const RecordingColumns& columns, std::size_t max_values)
      : rows_(rows), where_(where), columns_(columns), max_values_(max_values) {}

  Recording run() {
    std::vector<std::string> fields;
    if (!rows_.next(fields)) throw Error(where_, "is empty", "give a recording with a header line");
    header_ = fields;
    require_names();
    layout_ = layout_of(header_, columns_, where_);
    recording_.where = where_;
    for (const std::size_t column : layout_.values) recording_.channels.emplace_back(trimmed(header_[column]));
    for (bool first = true; rows_.next(fields); first = false) {
      if (first && is_units(fields)) continue;
      row(fields);
    }
    const std::size_t channels = layout_.values.size();
    recording_.values = Tensor::of<float>({values_.size() / channels, channels}, std::span<const float>(values_));
    return std::move(recording_);
  }

 private:
  // A file without a header would lose its first row, and name its columns by numbers.
  void require_names() const {
    const bool numbers = std::all_of(header_.begin(), header_.end(),
                                     [](const std::string& name) { return parse_series_value(trimmed(name)); });
    if (numbers) throw Error(where_, "its first line holds no names of columns", "put a header line in front");
  }

  bool is_units(const std::vector<std::string>& fields) const {
    return std::none_of(layout_.values.begin(), layout_.values.end(),
                        [&](std::size_t column) {
                          const std::string_view text = trimmed(fields[column]);
                          return !text.empty() && parse_series_value(text);
                        }) &&
           std::any_of(layout_.values.begin(), layout_.values.end(),
                       [&](std::size_t column) { return !trimmed(fields[column]).empty(); });
  }

  void row(const std::vector<std::string>& fields) {
    if (values_.size() + layout_.values.size() > max_values_) {
      throw Error(where_, fmt::format("has more than {} values", max_values_), "cut it into several files");
    }
    for (const std::size_t column : layout_.values) {
      const std::string_view text = trimmed(fields[column]);
      const auto value = parse_series_value(text);
      if (!value) {
        throw Error(
            rows_.where(),
            fmt::format("\"{}\" in column \"{}\" is no number", printable(text.substr(0, 40)),
                        printable(header_[column])),
            columns_.values.empty() ? "correct it, or name the columns of values with --columns" : "correct it");
      }
      values_.push_back(*value);
    }
    if (layout_.time != kNone) time(fields[layout_.time]);
    if (layout_.label != kNone) recording_.labels.push_back(label(fields[layout_.label]));
  }

  void time(const std::string& text) {
    bool calendar = false;
    const auto time = time_of(trimmed(text), calendar);
    if (!time || (!recording_.times_ms.empty() && calendar != recording_.calendar)) {
      throw Error(rows_.where(), fmt::format("\"{}\" is no time", printable(text.substr(0, 40))),
                  "write 2016-07-01 13:00:00, or seconds; --time-column none does without");
    }
    if (!recording_.times_ms.empty() && *time <= recording_.times_ms.back()) {
      throw Error(rows_.where(), fmt::format("its time {} is not later than that of the row before", printable(text)),
                  "sort the rows by time");
    }
    recording_.calendar = calendar;
    recording_.times_ms.push_back(*time);
  }

  std::uint32_t label(const std::string& text) {
    const auto [entry, fresh] = classes_.emplace(trimmed(text), static_cast<std::uint32_t>(classes_.size()));
    if (fresh) recording_.class_names.push_back(entry->first);
    if (classes_.size() > kMostClasses) {
      throw Error(rows_.where(), fmt::format("there are more than {} classes", kMostClasses),
                  "see that the label column holds classes");
    }
    return entry->second;
  }

  DelimitedReader& rows_;
  const std::string& where_;
  const RecordingColumns& columns_;
  std::size_t max_values_;
  std::vector<std::string> header_;
  Layout layout_;
  std::vector<float> values_;
  std::unordered_map<std::string, std::uint32_t> classes_;
  Recording recording_;
};

DelimitedOptions delimited(const RecordingColumns& columns) {
  DelimitedOptions options;
  options.separator = columns.separator;
  return options;
}

}  // namespace

std::int64_t Recording::interval_ms() const {
  if (times_ms.size() < 2) return 0;
  std::vector<std::int64_t> distances(times_ms.size() - 1);
  for (std::size_t i = 0; i < distances.size(); ++i) distances[i] = times_ms[i + 1] - times_ms[i];
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  return *middle;
}

Recording read_recording(const std::filesystem::path& file, const RecordingColumns& columns, std::size_t max_values) {
  DelimitedReader rows(file, delimited(columns));
  return Reader(rows, file.string(), columns, max_values).run();
}

Recording parse_recording(std::string_view text, const std::string& where, const RecordingColumns& columns,
                          std::size_t max_values) {
  DelimitedReader rows(text, where, delimited(columns));
  return Reader(rows, where, columns, max_values).run();
}

Recording array_recording(const Tensor& array, const std::string& where) {
  const std::size_t rank = array.shape().size();
  if (rank != 1 && rank != 2) {
    throw Error(where, fmt::format("has the shape {}, a recording has [steps, channels]", to_string(array.shape())));
  }
  Recording recording;
  recording.where = where;
  recording.values = array.to(DType::f32).reshaped({array.shape()[0], rank == 2 ? array.shape()[1] : 1});
  if (recording.values.columns() == 0) throw Error(where, "has no channels");
  return recording;
}

}  // namespace mt
