#include "decode/table_source.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"

namespace mt {

namespace {

// Every row's place would be eight bytes a row; finding a few rows again costs less than reading one.
constexpr std::size_t kStride = 16;
constexpr std::size_t kMostColumns = 1 << 16;

std::string stem_of(const std::string& input) {
  return percent_escaped(input == "-" ? "stdin" : std::filesystem::path(input).filename().string());
}

char guessed_separator(std::string_view line) {
  char best = ',';
  for (const char candidate : {'\t', ';', '|'}) {
    if (std::count(line.begin(), line.end(), candidate) > std::count(line.begin(), line.end(), best)) best = candidate;
  }
  return best;
}

// Where the table begins, behind the lines to be skipped; settles the separator by the first line that is not blank.
std::uint64_t settle(TextRecords& records, const TableOptions& options) {
  std::uint64_t begin = 0;
  TextRecords::Place place;
  for (std::size_t i = 0; i < options.skip_lines; ++i) {
    if (!records.find_line(begin, place)) {
      throw Error(printable(records.name()), fmt::format("has {} lines, {} are to be skipped", i, options.skip_lines),
                  "lower --skip-lines");
    }
  }
  if (options.separator != '\0') {
    records.separate_by(options.separator);
    return begin;
  }
  for (std::uint64_t next = begin; records.find_line(next, place);) {
    if (trimmed(records.bytes(place)).empty()) continue;
    records.separate_by(guessed_separator(records.bytes(place)));
    break;
  }
  return begin;
}

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> latest = 0;
  return ++latest;
}

std::vector<std::string> unique_names(std::span<const std::string_view> fields) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string name = fields[i].empty() ? fmt::to_string(i + 1) : percent_escaped(fields[i]);
    std::string own = name;
    for (std::size_t n = 1; !seen.insert(own).second; ++n) own = fmt::format("{}.{}", name, n);
    names.push_back(own);
  }
  return names;
}

}  // namespace

TableSource::TableSource(const TableOptions& options) : serial_(next_serial()) {
  if (options.inputs.empty()) throw UsageError("INPUT", "no file is named", "- reads standard input");
  std::set<std::string> seen;
  for (const std::string& input : options.inputs) {
    if (!seen.insert(stem_of(input)).second) {
      throw Error(printable(input), "has the name of another input, so its rows would share their ids", "rename it");
    }
    open(input, options);
  }
}

void TableSource::open(const std::string& input, const TableOptions& options) {
  files_.push_back({TextRecords(input, TextFormat::csv, ',', options.max_bytes), stem_of(input), size_, 0, {}});
  File& file = files_.back();
  file.begin = settle(file.records, options);
  std::uint64_t next = file.begin;
  TextRecords::Place place;
  TableRow row;
  if (!file.records.find(next, place)) throw Error(printable(file.records.name()), "holds no row", "give a table");
  try {
    file.records.fields(place, row.fields_, row.unquoted_);
  } catch (const Error& error) {
    throw error.within(fmt::format("{}: first row", printable(file.records.name())));
  }
  take_header(file, row, options.header);
  if (options.header) file.begin = next;

  next = file.begin;
  for (std::size_t n = 0; file.records.find(next, place); ++n) {
    if (n % kStride == 0) file.anchors.push_back(place.begin);
    if (n % 65536 == 0) throw_if_interrupted();
    ++size_;
  }
}

void TableSource::take_header(const File& file, const TableRow& row, bool header) {
  if (row.size() > kMostColumns) {
    throw Error(printable(file.records.name()),
                fmt::format("has {} columns, at most {} are read", row.size(), kMostColumns));
  }
  std::vector<std::string_view> fields(row.size());
  for (std::size_t i = 0; header && i < row.size(); ++i) fields[i] = trimmed(row[i]);
  std::vector<std::string> names = unique_names(fields);
  header_is_numbers_ = header && std::any_of(fields.begin(), fields.end(), parse_double);
  if (files_.size() == 1) {
    columns_ = std::move(names);
  } else if (names != columns_) {
    throw Error(printable(file.records.name()),
                fmt::format("has the columns {}; those of {} are {}", listed(names),
                            printable(files_[0].records.name()), listed(columns_)),
                "give files of the same columns");
  }
}

std::size_t TableSource::column(std::string_view name, std::string_view option) const {
  if (const auto found = std::find(columns_.begin(), columns_.end(), name); found != columns_.end()) {
    return static_cast<std::size_t>(found - columns_.begin());
  }
  if (const auto number = parse_int(name); number && *number >= 1) {
    if (const auto index = static_cast<std::size_t>(*number) - 1; index < columns_.size()) return index;
  }
  const std::string near = nearest(name, columns_);
  throw UsageError(
      option, fmt::format("no column is \"{}\"; there are {}: {}", printable(name), columns_.size(), listed(columns_)),
      near.empty() ? "give a name or a number from 1" : fmt::format("did you mean \"{}\"?", near));
}

const TableSource::File& TableSource::file_of(std::size_t i) const {
  const auto behind = std::upper_bound(files_.begin(), files_.end(), i,
                                       [](std::size_t row, const File& file) { return row < file.first; });
  return *(behind - 1);
}

TextRecords::Place TableSource::place_of(const File& file, std::size_t row) const {
  // Rows are mostly wanted one after the other: where the next one starts is known then.
  struct Latest {
    std::uint64_t source = 0;
    std::size_t row = 0;
    TextRecords::Place place;
    std::uint64_t next = 0;
  };
  thread_local Latest latest;
  const std::size_t in_list = file.first + row;
  if (latest.source == serial_ && latest.row == in_list) return latest.place;
  if (latest.source != serial_ || latest.row + 1 != in_list || row % kStride == 0) {
    latest.next = file.anchors.at(row / kStride);
    for (std::size_t n = 0; n < row % kStride; ++n) file.records.find(latest.next, latest.place);
  }
  latest.source = serial_;
  latest.row = in_list;
  file.records.find(latest.next, latest.place);
  return latest.place;
}

std::string TableSource::place(std::size_t i) const {
  const File& file = file_of(i);
  return file.stem + "#" + std::to_string(i - file.first);
}

void TableSource::read(const File& file, TextRecords::Place place, std::size_t row_number, TableRow& row) const {
  try {
    file.records.fields(place, row.fields_, row.unquoted_);
    if (row.size() != columns_.size()) {
      throw Error("", fmt::format("has {} fields, there are {} columns", row.size(), columns_.size()), "mend the row");
    }
  } catch (const Error& error) {
    throw Error(fmt::format("{}: row {}", printable(file.records.name()), row_number), error.why(), error.remedy());
  }
  for (std::string_view& field : row.fields_) field = trimmed(field);
}

Digest TableSource::read(std::size_t i, TableRow& row) const {
  const File& file = file_of(i);
  const TextRecords::Place place = place_of(file, i - file.first);
  read(file, place, i - file.first, row);
  return sha256(file.records.bytes(place));
}

void TableSource::for_each(const std::function<void(const TableRow*)>& visit) const {
  TableRow row;
  for (const File& file : files_) {
    std::uint64_t next = file.begin;
    TextRecords::Place place;
    for (std::size_t n = 0; file.records.find(next, place); ++n) {
      if (n % 65536 == 0) throw_if_interrupted();
      bool whole = true;
      try {
        read(file, place, n, row);
      } catch (const Error&) {
        whole = false;  // is named when it is rejected
      }
      visit(whole ? &row : nullptr);
    }
  }
}

Digest TableSource::digest(std::size_t i) const {
  const File& file = file_of(i);
  return sha256(file.records.bytes(place_of(file, i - file.first)));
}

}  // namespace mt
