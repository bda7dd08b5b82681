#include "base/csv.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr std::string_view kFormulaStarts = "=+-@\t\r";

// Apostrophes, then something that a spreadsheet would run.
bool looks_like_formula(std::string_view text) {
  const std::size_t first = text.find_first_not_of('\'');
  return first != std::string_view::npos && kFormulaStarts.find(text[first]) != std::string_view::npos;
}

}  // namespace

std::string csv_field(std::string_view text) {
  std::string field;
  if (looks_like_formula(text) && !parse_double(text)) field.push_back('\'');
  field += text;
  const bool quoted = field.find_first_of(",\"\r\n;\t") != std::string::npos || field.size() != trimmed(field).size();
  if (!quoted) return field;
  std::string out = "\"";
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string csv_text(std::string_view unquoted) {
  if (unquoted.size() > 1 && unquoted[0] == '\'' && looks_like_formula(unquoted) && !parse_double(unquoted)) {
    unquoted.remove_prefix(1);
  }
  return std::string(unquoted);
}

std::string csv_number(float value) { return fmt::format("{}", value); }

std::vector<std::string> csv_row(std::string_view text, std::size_t& position, char separator) {
  std::vector<std::string> fields(1);
  while (position < text.size()) {
    const char c = text[position];
    if (c == '"' && fields.back().empty()) {
      for (++position;; ++position) {
        const std::size_t quote = text.find('"', position);
        if (quote == std::string_view::npos) throw Error("", "a quoted field never ends", "close it with \"");
        fields.back() += text.substr(position, quote - position);
        position = quote + 1;
        if (position >= text.size() || text[position] != '"') break;
        fields.back() += '"';
      }
      if (position < text.size() && text[position] != separator && text[position] != '\n' && text[position] != '\r') {
        throw Error("", "text follows a closing quote", "double the quotes inside a quoted field");
      }
      continue;
    }
    ++position;
    if (c == separator) {
      fields.emplace_back();
    } else if (c == '\n' || (c == '\r' && position < text.size() && text[position] == '\n')) {
      if (c == '\r') ++position;
      return fields;
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

}  // namespace mt
