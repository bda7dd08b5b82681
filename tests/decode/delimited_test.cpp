#include "decode/delimited.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/files.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

using Records = std::vector<std::vector<std::string>>;

Records all(std::string_view text, DelimitedOptions options = {}) {
  DelimitedReader reader(text, "x.csv", options);
  Records records;
  for (std::vector<std::string> fields; reader.next(fields);) records.push_back(fields);
  return records;
}

}  // namespace

TEST_CASE("delimited: quotes, doubled quotes, separators and line ends within quotes are text") {
  CHECK(all("a,b\n\"x, y\",\"he said \"\"no\"\"\"\n\"two\nlines\",\n") ==
        Records{{"a", "b"}, {"x, y", "he said \"no\""}, {"two\nlines", ""}});
  CHECK(all("5'10\"\",x\n") == Records{{"5'10\"\"", "x"}});  // a quote that does not start a field is text
  DelimitedOptions plain;
  plain.quotes = false;
  CHECK(all("\"a,b\n", plain) == Records{{"\"a", "b"}});
}

TEST_CASE("delimited: byte order mark, CR LF, empty lines and a missing last line end change nothing") {
  const Records expected = {{"a", "b"}, {"1", "2"}};
  CHECK(all("a,b\n1,2\n") == expected);
  CHECK(all("\xEF\xBB\xBF"
            "a,b\r\n\r\n1,2\r\n\r\n") == expected);
  CHECK(all("\n\na,b\n1,2") == expected);
  CHECK(all("") == Records{});
  CHECK(all("\xEF\xBB\xBF") == Records{});
}

TEST_CASE("delimited: the separator is found out from the first line") {
  CHECK(all("a\tb,c\td\n1\t2,3\t4\n") == Records{{"a", "b,c", "d"}, {"1", "2,3", "4"}});
  CHECK(all("a;b;c\n1,5;2;3\n") == Records{{"a", "b", "c"}, {"1,5", "2", "3"}});
  CHECK(all("one\ntwo\n") == Records{{"one"}, {"two"}});
}

TEST_CASE("delimited: errors name the file and the line") {
  const auto message = [](std::string_view text, DelimitedOptions options = {}) {
    try {
      all(text, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(message("a,b\n1,2,3\n") == "x.csv: line 2: has 3 fields, the first line has 2 (correct the line)");
  CHECK(message("a,b\n\"x\ny\",1\n\"never,1\n").find("x.csv: line 4: opens a quote that never ends") == 0);
  CHECK(message("a\n\"x\"y\n").find("x.csv: line 2: has text behind a closing quote") == 0);
  DelimitedOptions small;
  small.max_record = 10;
  CHECK(message("a\n12345678901234\n", small).find("x.csv: line 2: is longer than 10 B") == 0);
  CHECK(message("a\n\"" + std::string(20, '\n') + "\"\n", small).find("x.csv: line 2: is longer") == 0);
}

TEST_CASE("delimited: a file is read in pieces as text is read at once") {
  // given records that straddle the buffer's ends
  const test::TemporaryDirectory dir;
  std::string text = "id,text\r\n";
  Records expected = {{"id", "text"}};
  for (int i = 0; i < 20'000; ++i) {
    const std::string quoted(static_cast<std::size_t>(i % 13), '"');
    text += std::to_string(i) + ",\"" + quoted + quoted + "\"\r\n";
    expected.push_back({std::to_string(i), quoted});
  }
  write_file(dir / "x.csv", text);
  DelimitedReader reader(dir / "x.csv");
  Records records;
  for (std::vector<std::string> fields; reader.next(fields);) records.push_back(fields);
  CHECK(records == expected);
  CHECK(reader.line() == 20'001);
  CHECK_THROWS_WITH_AS(DelimitedReader(dir.path()), doctest::Contains("is a directory"), Error);
  CHECK_THROWS_WITH_AS(DelimitedReader(dir / "none"), doctest::Contains("No such file"), Error);
}

TEST_CASE("delimited: an endless line is refused after max_record bytes") {
  DelimitedReader reader("/dev/zero");
  std::vector<std::string> fields;
  CHECK_THROWS_WITH_AS(reader.next(fields), doctest::Contains("is longer than 1.0 MiB"), Error);
}

TEST_CASE("delimited: a missing column is named with the nearest one") {
  const std::vector<std::string> header = {"path", "label"};
  CHECK(column_named(header, "label", "x.csv") == 1);
  CHECK_THROWS_WITH_AS(column_named(header, "lable", "x.csv"),
                       "x.csv: has no column \"lable\", its columns are: path, label (did you mean \"label\"?)", Error);
}
