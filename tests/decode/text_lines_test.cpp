#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "decode/text_lines.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

using Names = std::vector<std::string>;

// A source over one file of the given name and bytes.
struct Fixture {
  mt::test::TemporaryDirectory directory;
  TextSourceOptions options;

  std::string file(const std::string& name, const std::string& bytes) {
    std::ofstream(directory / name, std::ios::binary) << bytes;
    return (directory / name).string();
  }
  std::unique_ptr<TextSource> open(const std::string& name, const std::string& bytes) {
    options.inputs = {file(name, bytes)};
    return TextSource::open(options);
  }
};

Names texts_of(const TextSource& source) {
  Names texts;
  for (std::size_t i = 0; i < source.size(); ++i) {
    try {
      texts.push_back(source.load(i).text);
    } catch (const Error& error) {
      texts.push_back("! " + error.why());
    }
  }
  return texts;
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

TEST_CASE_FIXTURE(Fixture, "text lines: every line is a text, whatever its line end") {
  CHECK(texts_of(*open("a.txt", "\xEF\xBB\xBFone\r\ntwo\n\n three \nlast")) ==
        Names{"one", "two", "", " three ", "last"});
  CHECK(texts_of(*open("b.txt", "one\n")) == Names{"one"});
  CHECK(texts_of(*open("c.txt", "")).empty());
  CHECK(open("d file%41.txt", "x\ny\n")->id(1) == "d file%2541.txt#1");
  CHECK(!open("e.txt", "x\n")->has_labels());
}

TEST_CASE_FIXTURE(Fixture, "text lines: a bad line is rejected by name, the others go on") {
  options.max_bytes = 10;
  const auto source = open("a.txt", std::string("good\n\xFF\xFE bad\nlonger than ten\nzero\0byte\nsea", 41));
  CHECK(texts_of(*source) ==
        Names{"good", "! is not UTF-8", "! is 15 B long, more than 10 B", "! holds a zero byte at 4", "sea"});
  CHECK(failure_of([&] { source->load(1); }) ==
        (directory / "a.txt").string() + ": row 1: is not UTF-8 (convert it with iconv)");
  CHECK(failure_of([&] { open("b.txt", "\xFF\xFEx"); }).find("is UTF-16, not UTF-8") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "text columns: by number without a header, by name with one") {
  options.column = "1";
  options.label_column = "2";
  const auto source = open("a.tsv", "a \"quoted\" sea\t1\n\nnothing\t0\nshort\nno label\t\n");
  CHECK(texts_of(*source) == Names{"a \"quoted\" sea", "nothing", "! has 1 columns, column 2 is wanted", "no label"});
  CHECK(source->label_names() == Names{"0", "1"});
  CHECK(source->label(0) == 1);
  CHECK(source->label(1) == 0);
  CHECK(source->label(2) == -1);
  CHECK(source->label(3) == -1);

  options = {};
  options.column = "premise";
  options.pair_column = "hypothesis";
  options.id_column = "key";
  const auto named = open("b.tsv", "key\tpremise\thypothesis\nq1\tone\ttwo\nq2\tthree\t\n");
  REQUIRE(named->size() == 2);
  CHECK(named->id(0) == "q1");
  CHECK(named->load(0).second == "two");
  CHECK(named->load(1).second == "");
}

TEST_CASE_FIXTURE(Fixture, "text columns: CSV fields are quoted as RFC 4180 has it, and may span lines") {
  options.column = "text";
  options.label_column = "class";
  const auto source = open("a.csv",
                           "\xEF\xBB\xBF"
                           "class,text\r\nsea,\"one, \"\"two\"\"\r\nthree\"\r\n\r\nland,four\r\n"
                           "sea,\"a\"b\r\nland,\"never closed\r\nland,five\r\n");
  CHECK(texts_of(*source) == Names{"one, \"two\"\r\nthree", "four", "! text follows a closing quote",
                                   "! a quoted field never ends", "five"});
  CHECK(source->label_names() == Names{"land", "sea"});
  CHECK(source->label(0) == 1);
  CHECK(source->label(2) == -1);

  options.separator = ';';
  options.column = "2";
  options.label_column = "";
  CHECK(texts_of(*open("b.csv", "1;x,y\n2;\"z;\"\n")) == Names{"x,y", "z;"});
}

TEST_CASE_FIXTURE(Fixture, "text columns: a quoted field longer than the limit ends with its line") {
  options.column = "1";
  options.max_bytes = 16;
  const auto source = open("a.csv", "\"" + std::string(100, '\n') + "x\"\ngood\n");
  const Names texts = texts_of(*source);
  CHECK(texts.front() == "! a quoted field never ends");
  CHECK(texts.back() == "good");
}

TEST_CASE_FIXTURE(Fixture, "text json: keys give text, pair, label and id") {
  options.pair_column = "other";
  options.label_column = "gold";
  options.id_column = "n";
  const auto source = open("a.jsonl",
                           "{\"text\":\"caf\\u00e9\",\"other\":\"b\",\"gold\":true,\"n\":7}\n\n"
                           "{\"text\":5,\"other\":\"b\",\"gold\":false,\"n\":8}\n[1]\n{\"text\"\n"
                           "{\"text\":\"a\",\"gold\":null,\"n\":9}\n");
  CHECK(source->size() == 5);
  CHECK(source->load(0).text == "caf\u00e9");
  CHECK(source->id(0) == "7");
  CHECK(source->label_names() == Names{"true"});
  CHECK(source->id(2) == "a.jsonl#2");
  const Names texts = texts_of(*source);
  CHECK(texts[1] == "! \"text\" is number, not a string");
  CHECK(texts[2] == "! is not a JSON object");
  CHECK(texts[3].starts_with("! is not valid JSON: "));
  CHECK(texts[4] == "! has no key \"other\"");
  CHECK(texts_of(*open("b.jsonl", std::string(100000, '[') + "\n"))[0].starts_with("! is JSON nested deeper than"));
}

TEST_CASE_FIXTURE(Fixture, "text lines: labels from a file of their own, sorted by value when they are numbers") {
  options.labels = file("labels.txt", "10\n2\n10\n");
  const auto source = open("a.txt", "x\ny\nz\n");
  CHECK(source->label_names() == Names{"2", "10"});
  CHECK(source->label(0) == 1);
  CHECK(source->label(1) == 0);
  CHECK(failure_of([&] { open("b.txt", "x\n"); }).find("has 3 labels for 1 texts") != std::string::npos);
  options.label_column = "2";
  CHECK_THROWS_AS(open("c.tsv", "x\ty\n"), UsageError);
}

TEST_CASE_FIXTURE(Fixture, "text lines: what cannot be meant is refused with what to do") {
  CHECK(failure_of([&] { open("a.tsv", "x\ty\n"); }).find("has 2 columns (say which with --column)") !=
        std::string::npos);
  options.column = "txet";
  CHECK(failure_of([&] { open("b.tsv", "text\tlabel\n"); }).find("did you mean \"text\"?") != std::string::npos);
  CHECK_THROWS_AS(open("b.txt", "text\n"), UsageError);
  options.column = "3";
  CHECK(failure_of([&] { open("c.tsv", "x\ty\n"); }).find("has 2 columns, none is \"3\"") != std::string::npos);
  options.column = "1";
  options.id_column = "2";
  CHECK(failure_of([&] { open("d.tsv", "x\ta\ny\ta\n"); }).find("row 1: has the id \"a\"") != std::string::npos);
  CHECK(failure_of([&] { open("d.tsv", "x\t\n"); }).find("has an empty id") != std::string::npos);
  options = {};
  options.inputs = {file("same.txt", "x\n"), (directory / "." / "same.txt").string()};
  CHECK(failure_of([&] { TextSource::open(options); }).find("has the name of another input") != std::string::npos);
  options.inputs = {(directory / "none.txt").string()};
  CHECK_THROWS_AS(TextSource::open(options), Error);
  CHECK_THROWS_AS(TextSource::open({}), UsageError);
}

TEST_CASE_FIXTURE(Fixture, "text lines: several files are one list, equal rows have equal digests") {
  options.inputs = {file("a.txt", "one\r\n"), file("empty.txt", ""), file("b.txt", "two\none")};
  const auto source = TextSource::open(options);
  REQUIRE(source->size() == 3);
  CHECK(source->id(0) == "a.txt#0");
  CHECK(source->id(2) == "b.txt#1");
  CHECK(source->digest(0) == source->digest(2));
  CHECK(source->digest(0) != source->digest(1));
}
