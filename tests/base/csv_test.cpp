#include "base/csv.h"

#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/text.h"

using namespace mt;

namespace {

std::vector<std::string> row_of(std::string_view text) {
  std::size_t position = 0;
  return csv_row(text, position);
}

}  // namespace

TEST_CASE("csv: every text comes back from its field") {
  for (const std::string text :
       {"plain",  "",     "a,b", "say \"hi\"", "two\nlines", "two\r\nlines", " padded ", "=1+1",   "+x",
        "-x",     "@cmd", "\tx", "\rx",        "'=1",        "''=1",         "'",        "'plain", "-1",
        "-1.5e3", "'-1",  "é",   ";",          "\"",         "=\"x\""}) {
    CAPTURE(text);
    const std::vector<std::string> row = row_of(csv_field(text) + "," + csv_field("next") + "\r\n");
    REQUIRE(row.size() == 2);
    CHECK(csv_text(row[0]) == text);
    CHECK(row[1] == "next");
  }
}

TEST_CASE("csv: text that a spreadsheet would run is disarmed, numbers are left alone") {
  CHECK(csv_field("=HYPERLINK(\"x\")") == "\"'=HYPERLINK(\"\"x\"\")\"");
  CHECK(csv_field("@SUM(A1)") == "'@SUM(A1)");
  CHECK(csv_field("-2+3") == "'-2+3");
  CHECK(csv_field("-2.5") == "-2.5");
  CHECK(csv_field("cat") == "cat");
}

TEST_CASE("csv: numbers are the shortest that read back as the same float") {
  for (const float value : {0.1F, 1.0F / 3, 1e-30F, 123456789.0F, std::numeric_limits<float>::denorm_min()}) {
    CHECK(static_cast<float>(*parse_double(csv_number(value))) == value);
  }
  CHECK(csv_number(0.1F) == "0.1");
}

TEST_CASE("csv: rows end at LF or CR LF, and quoted line ends are text") {
  const std::string text = "a,b\n\"c\nd\",e\r\nlast,";
  std::size_t position = 0;
  CHECK(csv_row(text, position) == std::vector<std::string>{"a", "b"});
  CHECK(csv_row(text, position) == std::vector<std::string>{"c\nd", "e"});
  CHECK(csv_row(text, position) == std::vector<std::string>{"last", ""});
  CHECK(position == text.size());
}

TEST_CASE("csv: broken quotes are refused") {
  CHECK_THROWS_AS(row_of("\"never ends"), Error);
  CHECK_THROWS_AS(row_of("\"a\"b,c"), Error);
  CHECK(row_of("a\"b,c") == std::vector<std::string>{"a\"b", "c"});
}
