// One text file as a list of records (lines or rows), found once and read again on demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "decode/text_lines.h"

namespace mt {

class TextRecords {
 public:
  // Maps a regular file; reads a pipe or standard input ("-"). Throws Error: unreadable, UTF-16.
  TextRecords(const std::string& name, TextFormat format, char separator, std::uint64_t max_bytes);

  // From the place where a record starts (a blank line is none, one of separators is) to its end, line end left out;
  // next is where the following one starts. False at the end of the file.
  struct Place {
    std::uint64_t begin = 0, end = 0;
  };
  bool find(std::uint64_t& next, Place& place) const;

  // The line at next, whatever the format; next moves behind it. False at the end of the file.
  bool find_line(std::uint64_t& next, Place& place) const;

  std::string_view bytes(Place place) const { return text_.substr(place.begin, place.end - place.begin); }

  // The record's fields: one for lines, the columns of tsv and csv. Throws Error: too long, not UTF-8, a zero byte,
  // damaged quotes. JSON lines have one field, the object's text.
  std::vector<std::string> fields(Place place) const;
  // The same for csv as views: into the text, or into unquoted, which holds the fields of a record with quotes.
  void fields(Place place, std::vector<std::string_view>& views, std::vector<std::string>& unquoted) const;

  void separate_by(char separator) { separator_ = separator; }
  const std::string& name() const { return name_; }
  TextFormat format() const { return format_; }

 private:
  std::uint64_t row_end(std::uint64_t begin) const;
  bool is_blank(Place place) const;
  void require_text(std::string_view record) const;

  std::string name_;
  TextFormat format_;
  char separator_;
  std::uint64_t max_bytes_;
  std::shared_ptr<const MappedFile> mapped_;
  std::vector<std::byte> held_;
  std::string_view text_;
  std::uint64_t start_ = 0;  // behind a byte order mark
};

}  // namespace mt
