#include "decode/table_source.h"

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

using Names = std::vector<std::string>;

struct Fixture {
  test::TemporaryDirectory directory;
  TableOptions options;

  std::string file(const std::string& name, const std::string& bytes) {
    std::ofstream(directory / name, std::ios::binary) << bytes;
    return (directory / name).string();
  }
  TableSource open(const std::string& bytes) {
    options.inputs = {file("a.csv", bytes)};
    return TableSource(options);
  }
};

Names fields_of(const TableSource& source, std::size_t i) {
  TableRow row;
  try {
    const Digest digest = source.read(i, row);
    CHECK(digest == source.digest(i));
  } catch (const Error& error) {
    return {"! " + error.why()};
  }
  return {row.fields().begin(), row.fields().end()};
}

std::string failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "table: header, byte order mark, quotes, blank lines and white space") {
  const TableSource source = open(
      "\xEF\xBB\xBF"
      "a,\"b, c\",\r\n 1 ,\"x \"\"y\"\"\r\nz\",\n\n  \n2,, 3\n");
  CHECK(source.columns() == Names{"a", "b, c", "3"});
  REQUIRE(source.size() == 2);
  CHECK(fields_of(source, 0) == Names{"1", "x \"y\"\r\nz", ""});
  CHECK(fields_of(source, 1) == Names{"2", "", "3"});
  CHECK(source.place(1) == "a.csv#1");
  CHECK(source.column("b, c", "--label") == 1);
  CHECK(source.column("1", "--label") == 0);
  CHECK(failure_of([&] { (void)source.column("d", "--label"); }).find("no column is \"d\"; there are 3: a, b, c, 3") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "table: the separator is what the first line has most of, or as told") {
  CHECK(open("a\tb,c\td\n").columns() == Names{"a", "b,c", "d"});
  CHECK(open("a;b;c,d\n").columns() == Names{"a", "b", "c,d"});
  CHECK(open("\n\na|b\n1|2\n").size() == 1);
  CHECK(open("alone\n1\n2\n").columns() == Names{"alone"});
  options.separator = '\t';
  const TableSource tabs = open("a,b\tc\n\t\n1\t\n");
  CHECK(tabs.columns() == Names{"a,b", "c"});
  REQUIRE(tabs.size() == 2);  // a row of nothing but a tab is two missing values
  CHECK(fields_of(tabs, 0) == Names{"", ""});
}

TEST_CASE_FIXTURE(Fixture,
                  "table: without a header columns are numbers; lines in front are skipped; names are made unique") {
  options.header = false;
  options.skip_lines = 1;
  const TableSource plain = open("150,4,setosa\n5.1,x\n4.9,y\n");
  CHECK(plain.columns() == Names{"1", "2"});
  CHECK(plain.size() == 2);
  CHECK(!plain.header_is_numbers());
  options = {};
  CHECK(open("a,a,,a\n").columns() == Names{"a", "a.1", "3", "a.2"});
  CHECK(open("5.1,x\n4.9,y\n").header_is_numbers());
  options.skip_lines = 9;
  CHECK(failure_of([&] { open("a\n1\n"); }).find("has 2 lines, 9 are to be skipped") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "table: a damaged row is refused by name, its neighbours are read") {
  options.max_bytes = 30;
  const TableSource source =
      open("a,b\n1,2\n1,2,3\n\xFF,2\n\"x\"y,2\n\"never,2\n" + std::string(40, '9') + ",1\n5,6\n");
  REQUIRE(source.size() == 7);
  CHECK(fields_of(source, 1) == Names{"! has 3 fields, there are 2 columns"});
  CHECK(fields_of(source, 2) == Names{"! is not UTF-8"});
  CHECK(fields_of(source, 3) == Names{"! text follows a closing quote"});
  CHECK(fields_of(source, 4) == Names{"! a quoted field never ends"});
  CHECK(fields_of(source, 5)[0].starts_with("! is 42 B long"));
  CHECK(fields_of(source, 6) == Names{"5", "6"});
  std::string seen;
  source.for_each([&](const TableRow* row) { seen += row == nullptr ? "-" : std::string((*row)[0]); });
  CHECK(seen == "1-----5");
  TableRow row;
  CHECK(failure_of([&] { source.read(1, row); }).find("a.csv: row 1: has 3 fields") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "table: rows far from an anchor and in several files are found") {
  std::string rows = "n,square\n";
  for (int i = 0; i < 100; ++i) rows += std::to_string(i) + "," + std::to_string(i * i) + "\n";
  options.inputs = {file("x.csv", rows), file("empty.csv", "n,square\n"), file("y.csv", rows)};
  const TableSource source(options);
  REQUIRE(source.size() == 200);
  for (const std::size_t i : {0U, 15U, 16U, 17U, 99U, 100U, 131U, 199U}) {
    const auto n = static_cast<int>(i % 100);
    CHECK(fields_of(source, i) == Names{std::to_string(n), std::to_string(n * n)});
  }
  CHECK(source.place(131) == "y.csv#31");
}

TEST_CASE_FIXTURE(Fixture, "table: what is no table is refused") {
  CHECK(failure_of([&] { open(""); }).find("holds no row") != std::string::npos);
  CHECK(failure_of([&] { open("\n\n"); }).find("holds no row") != std::string::npos);
  CHECK(failure_of([&] {
          open(
              "\xFF\xFE"
              "a");
        }).find("is UTF-16") != std::string::npos);
  CHECK(failure_of([&] { open("\"a\n1\n"); }).find("first row: a quoted field never ends") != std::string::npos);
  CHECK(failure_of([&] { open(std::string(70000, ',') + "\n"); }).find("at most 65536 are read") != std::string::npos);
  options.inputs = {file("x.csv", "a,b\n"), file("y.csv", "a,c\n")};
  CHECK(failure_of([&] { TableSource{options}; }).find("has the columns a, c; those of") != std::string::npos);
  options.inputs = {file("x.csv", "a\n"), (directory / "." / "x.csv").string()};
  CHECK(failure_of([&] { TableSource{options}; }).find("has the name of another input") != std::string::npos);
  CHECK_THROWS_AS(TableSource{TableOptions{}}, UsageError);
}
