// Tables of delimited text (CSV as RFC 4180 has it, any separator) as one indexed list of rows. Memory: half a byte a
// row; files are mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "decode/text_records.h"

namespace mt {

struct TableOptions {
  std::vector<std::string> inputs;  // files of the same columns; "-" is standard input, held in memory (at most 1 GiB)
  char separator = '\0';            // '\0': tab, comma, semicolon or bar, whichever the first line has most of
  bool header = true;               // the first row of each file holds the columns' names
  std::size_t skip_lines = 0;       // lines in front of it, or of the data
  std::uint64_t max_bytes = std::uint64_t{16} << 20;  // of one row
};

// One row, read again and again into the same object: fields without quotes and without white space at their ends,
// valid until the next reading.
class TableRow {
 public:
  std::size_t size() const { return fields_.size(); }
  std::string_view operator[](std::size_t column) const { return fields_[column]; }
  std::span<const std::string_view> fields() const { return fields_; }

 private:
  friend class TableSource;
  std::vector<std::string_view> fields_;
  std::vector<std::string> unquoted_;
};

// The full list, fixed at construction. Blank lines are no rows.
class TableSource {
 public:
  // Throws Error: unreadable, empty, files whose columns differ. UsageError: no input.
  explicit TableSource(const TableOptions& options);

  std::size_t size() const { return size_; }
  // Names in the header's order, unique: a second "a" is "a.1", an empty one is its number from 1. Without a header all
  // are their numbers.
  const std::vector<std::string>& columns() const { return columns_; }
  // By name, else by number from 1. Throws UsageError(option, ...) naming the nearest one.
  std::size_t column(std::string_view name, std::string_view option) const;
  bool header_is_numbers() const { return header_is_numbers_; }  // a name is a number: maybe there is no header

  // "FILE#ROW", rows of each file counted from 0, percent-escaped.
  std::string place(std::size_t i) const;

  // Throws Error, naming file and row: too long, not UTF-8, damaged quotes, another number of fields than columns.
  // Gives digest(i). Callable from several threads at once, each with its own row.
  Digest read(std::size_t i, TableRow& row) const;
  // All rows in order; damaged ones are nullptr.
  void for_each(const std::function<void(const TableRow*)>& visit) const;

  Digest digest(std::size_t i) const;  // of the row's bytes, without its line end

 private:
  struct File {
    TextRecords records;
    std::string stem;                    // of its rows' ids
    std::size_t first = 0;               // number of its first row in the list
    std::uint64_t begin = 0;             // where its data begin
    std::vector<std::uint64_t> anchors;  // where every kStride-th row begins
  };
  void open(const std::string& input, const TableOptions& options);
  void take_header(const File& file, const TableRow& row, bool header);
  const File& file_of(std::size_t i) const;
  TextRecords::Place place_of(const File& file, std::size_t row) const;
  void read(const File& file, TextRecords::Place place, std::size_t row_number, TableRow& row) const;

  std::vector<File> files_;
  std::vector<std::string> columns_;
  std::size_t size_ = 0;
  std::uint64_t serial_;  // tells this source from any other of the process
  bool header_is_numbers_ = false;
};

}  // namespace mt
