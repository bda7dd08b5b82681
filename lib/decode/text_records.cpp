#include "decode/text_records.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr std::uint64_t kHeldLimit = std::uint64_t{1} << 30;
constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";

TextFormat format_by_name(const std::string& name) {
  const std::string extension = lower_ascii(std::filesystem::path(name).extension().string());
  if (extension == ".tsv") return TextFormat::tsv;
  if (extension == ".csv") return TextFormat::csv;
  if (extension == ".jsonl" || extension == ".ndjson") return TextFormat::json;
  return TextFormat::lines;
}

}  // namespace

TextRecords::TextRecords(const std::string& name, TextFormat format, char separator, std::uint64_t max_bytes)
    : name_(name == "-" ? "standard input" : name),
      format_(format == TextFormat::automatic ? format_by_name(name) : format),
      separator_(separator == '\0' ? ',' : separator),
      max_bytes_(max_bytes) {
  std::error_code status;
  const bool regular = name != "-" && std::filesystem::is_regular_file(name, status);
  if (regular && std::filesystem::file_size(name, status) > 0) {
    mapped_ = MappedFile::open(name);
  } else if (!regular) {
    held_ = name == "-" ? read_stdin(kHeldLimit) : read_file(name, kHeldLimit);
  }
  const std::span<const std::byte> all = mapped_ ? mapped_->bytes() : std::span<const std::byte>(held_);
  text_ = {reinterpret_cast<const char*>(all.data()), all.size()};
  if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF")) {
    throw Error(printable(name_), "is UTF-16, not UTF-8", "convert it: iconv -f UTF-16 -t UTF-8");
  }
  if (text_.starts_with(kUtf8Mark)) start_ = kUtf8Mark.size();
}

// Behind the last byte of the row that starts at begin, its line end not included.
std::uint64_t TextRecords::row_end(std::uint64_t begin) const {
  const std::uint64_t line_end = std::min<std::uint64_t>(text_.find('\n', begin), text_.size());
  if (format_ != TextFormat::csv) return line_end;
  // A quoted field may go on over line ends. A row that cannot be read, or not within the limit, ends with its line.
  if (text_.substr(begin, line_end - begin).find('"') == std::string_view::npos) return line_end;
  const std::string_view window = text_.substr(0, std::min<std::uint64_t>(text_.size(), begin + max_bytes_ + 2));
  try {
    std::size_t position = begin;
    csv_row(window, position, separator_);
    const bool cut = position == window.size() && window.size() < text_.size() && window.back() != '\n';
    if (cut) return line_end;
    return position > begin && text_[position - 1] == '\n' ? position - 1 : position;
  } catch (const Error&) {
    return line_end;
  }
}

bool TextRecords::is_blank(Place place) const {
  const std::string_view record = bytes(place);
  if (!trimmed(record).empty()) return false;
  return format_ != TextFormat::csv || record.find(separator_) == std::string_view::npos;  // tabs may separate
}

bool TextRecords::find(std::uint64_t& next, Place& place) const {
  next = std::max(next, start_);
  while (next < text_.size()) {
    place.begin = next;
    place.end = row_end(next);
    next = place.end + 1;
    if (place.end > place.begin && text_[place.end - 1] == '\r') --place.end;
    if (format_ == TextFormat::lines || !is_blank(place)) return true;
  }
  return false;
}

void TextRecords::require_text(std::string_view record) const {
  if (record.size() > max_bytes_) {
    throw Error("", fmt::format("is {} long, more than {}", human_bytes(record.size()), human_bytes(max_bytes_)),
                "split it, or raise --max-line");
  }
  if (const std::size_t zero = record.find('\0'); zero != std::string_view::npos) {
    throw Error("", fmt::format("holds a zero byte at {}", zero), "give UTF-8 text");
  }
  if (!is_utf8(record)) throw Error("", "is not UTF-8", "convert it with iconv");
}

void TextRecords::fields(Place place, std::vector<std::string_view>& views, std::vector<std::string>& unquoted) const {
  const std::string_view record = bytes(place);
  require_text(record);
  views.clear();
  if (record.find('"') != std::string_view::npos) {
    std::size_t position = 0;
    unquoted = csv_row(record, position, separator_);
    views.assign(unquoted.begin(), unquoted.end());
    return;
  }
  for (std::size_t start = 0;;) {
    const std::size_t end = record.find(separator_, start);
    views.push_back(record.substr(start, end - start));
    if (end == std::string_view::npos) return;
    start = end + 1;
  }
}

bool TextRecords::find_line(std::uint64_t& next, Place& place) const {
  place.begin = std::max(next, start_);
  if (place.begin >= text_.size()) return false;
  place.end = std::min<std::uint64_t>(text_.find('\n', place.begin), text_.size());
  next = place.end + 1;
  return true;
}

std::vector<std::string> TextRecords::fields(Place place) const {
  const std::string_view record = bytes(place);
  require_text(record);
  switch (format_) {
    case TextFormat::tsv: {
      std::vector<std::string> fields;
      for (const std::string_view field : split(record, '\t')) fields.emplace_back(field);
      return fields;
    }
    case TextFormat::csv: {
      std::size_t position = 0;
      return csv_row(record, position, separator_);
    }
    case TextFormat::automatic:
    case TextFormat::lines:
    case TextFormat::json:
      break;
  }
  return {std::string(record)};
}

}  // namespace mt
