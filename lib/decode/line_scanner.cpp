#include "decode/line_scanner.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

std::optional<double> number_in(std::string_view word) {
  double value = 0;
  const char* const end = word.data() + word.size();
  const auto [behind, error] = std::from_chars(word.data() + (word.starts_with('+') ? 1 : 0), end, value);
  if (behind != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc()) return value;
  const bool small = word.find("e-") != word.npos || word.find("E-") != word.npos;
  return small ? 0.0 : std::numeric_limits<double>::infinity();
}

LineScanner::LineScanner(std::string_view text, std::string where, char comment, std::string_view separators)
    : text_(text), where_(std::move(where)), comment_(comment), separators_(separators) {}

bool LineScanner::next_line() {
  while (next_ < text_.size()) {
    line_ = at_ = next_;
    ++number_;
    end_ = std::min(text_.find_first_of("\n\r", line_), text_.size());
    next_ = std::min(end_ + 1, text_.size());
    if (text_.substr(end_, 2) == "\r\n") ++next_;
    if (comment_ != 0) end_ = std::min(end_, text_.find(comment_, line_));
    if (!at_end()) return true;
  }
  line_ = at_ = end_ = text_.size();
  return false;
}

bool LineScanner::at_end() {
  while (at_ < end_ && separators_.find(text_[at_]) != std::string_view::npos) ++at_;
  return at_ == end_;
}

std::optional<std::string_view> LineScanner::word() {
  if (at_end()) return std::nullopt;
  const std::size_t begin = at_;
  while (at_ < end_ && separators_.find(text_[at_]) == std::string_view::npos) ++at_;
  return text_.substr(begin, at_ - begin);
}

double LineScanner::number() {
  const auto text = word();
  if (!text) throw Error(where(), "ends where a number was expected");
  if (const auto value = number_in(*text)) return *value;
  throw Error(where(), fmt::format("\"{}\" is not a number", printable(text->substr(0, 40))));
}

std::uint64_t LineScanner::count() {
  const auto text = word();
  if (!text) throw Error(where(), "ends where a number was expected");
  std::uint64_t value = 0;
  const auto [behind, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error == std::errc() && behind == text->data() + text->size()) return value;
  throw Error(where(), fmt::format("\"{}\" is not a whole number", printable(text->substr(0, 40))));
}

std::string LineScanner::where() const { return fmt::format("{}: line {}", where_, number_); }

}  // namespace mt
