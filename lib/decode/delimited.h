// Delimited text, CSV and TSV, read record by record: quotes as in RFC 4180, a byte order mark, LF and CR LF line ends,
// quoted line ends. Memory is bounded by the longest record, whatever the file's size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

struct DelimitedOptions {
  char separator = '\0';   // '\0': a tab, comma or semicolon, whichever the first line has most of
  bool quotes = true;      // false: quotation marks are text like any other
  bool same_width = true;  // every record has as many fields as the first
  std::size_t max_record = std::size_t{1} << 20;  // bytes, quotes included
};

class DelimitedReader {
 public:
  // Files, pipes and devices. Throws Error when it cannot be opened.
  explicit DelimitedReader(const std::filesystem::path& path, DelimitedOptions options = {});
  // Text that the caller keeps alive; where is its name in errors.
  DelimitedReader(std::string_view text, std::string where, DelimitedOptions options = {});
  ~DelimitedReader();
  DelimitedReader(const DelimitedReader&) = delete;
  DelimitedReader& operator=(const DelimitedReader&) = delete;

  // The next record's fields, without their quotes; false at the end. Lines without any character are skipped. Throws
  // Error, naming file and line: a record beyond max_record, a quote that never ends, text behind a closing quote,
  // another number of fields than the first record has, and what reading says.
  bool next(std::vector<std::string>& fields);

  std::uint64_t line() const { return record_line_; }  // where the latest record starts, counted from 1
  std::string where() const;                           // "labels.csv: line 17", for errors about the latest record
  char separator() const { return options_.separator; }

 private:
  struct File;
  bool fill();
  int peek();
  int take();
  void read_quoted(std::string& field);
  void choose_separator();

  DelimitedOptions options_;
  std::string where_;
  std::unique_ptr<File> file_;  // null: text
  std::vector<char> buffer_;
  const char *at_ = nullptr, *end_ = nullptr;
  std::uint64_t line_ = 1, record_line_ = 0;
  std::size_t record_bytes_ = 0, width_ = 0;
  bool started_ = false;
};

// Index of the column with this name in a header. Throws Error naming the nearest one when there is none.
std::size_t column_named(const std::vector<std::string>& header, std::string_view name, std::string_view where);

}  // namespace mt
