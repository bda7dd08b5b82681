// Fields of comma-separated values as RFC 4180 has them, made safe for spreadsheets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mt {

// The field as it stands in a row: quoted where it holds a comma, a quote, a line end, or white space at an end.
// A spreadsheet would run text that starts with = + - @ (or a tab or a carriage return) as a formula: such text gets an
// apostrophe in front, unless it is a plain number. Text that itself starts with apostrophes before such a character
// gets one too, so that csv_text undoes it exactly.
std::string csv_field(std::string_view text);

// The text that csv_field was given, from a field whose quotes have been taken off.
std::string csv_text(std::string_view unquoted);

// The shortest decimal that reads back as the same float; "nan", "inf", "-inf".
std::string csv_number(float value);

// One row's fields, unquoted (not yet csv_text). position: where the row starts in text, moved behind its line end.
// Line ends are LF or CR LF; quoted fields may hold line ends. Throws Error: a quote that never ends, text behind a
// closing quote.
std::vector<std::string> csv_row(std::string_view text, std::size_t& position, char separator = ',');

}  // namespace mt
