#include "base/text.h"

#include <doctest/doctest.h>

using namespace mt;

TEST_CASE("printable: control bytes, terminal escapes and broken UTF-8 cannot reach a terminal") {
  CHECK(printable("cat.png") == "cat.png");
  CHECK(printable("na\xC3\xAFve") == "na\xC3\xAFve");
  CHECK(printable("a\nb\x1b[31m") == "a\\x0ab\\x1b[31m");
  CHECK(printable("\xff\xfe") == "\\xff\\xfe");
  CHECK(printable("\xC2\x9b") == "\\xc2\\x9b");           // C1 control sequence introducer
  CHECK(printable("\xED\xA0\x80") == "\\xed\\xa0\\x80");  // a surrogate is not UTF-8
}

TEST_CASE("percent escapes: every byte string survives the way there and back as UTF-8") {
  for (const std::string name : {"plain", "100%", "a%41b", "\xff.png", "new\nline", "\xC3\xA4%zz", "%"}) {
    const std::string id = percent_escaped(name);
    CHECK(is_utf8(id));
    CHECK(percent_decoded(id) == name);
  }
  CHECK(percent_escaped("caf\xC3\xA9.png") == "caf\xC3\xA9.png");
}

TEST_CASE("numbers: the whole text must be a number in range") {
  CHECK(parse_int("42") == 42);
  CHECK(parse_int("+7") == 7);
  CHECK_FALSE(parse_int("42 "));
  CHECK_FALSE(parse_int(""));
  CHECK_FALSE(parse_int("9223372036854775808"));
  CHECK(parse_double("1e-3") == doctest::Approx(1e-3));
  CHECK_FALSE(parse_double("1,5"));
  CHECK_FALSE(parse_double("1e999"));
}

TEST_CASE("nearest: suggests what was probably meant, and nothing for another word") {
  const std::vector<std::string> options = {"--output", "--threads", "--model"};
  CHECK(nearest("--ouput", options) == "--output");
  CHECK(nearest("--treads", options) == "--threads");
  CHECK(nearest("--zebra", options) == "");
}

TEST_CASE("human sizes") {
  CHECK(human_bytes(812) == "812 B");
  CHECK(human_bytes(1536) == "1.5 KiB");
}

TEST_CASE("text: sizes are read as people type them, in powers of 1024") {
  CHECK(parse_bytes("1536") == 1536);
  CHECK(parse_bytes("1.5K") == 1536);
  CHECK(parse_bytes("512 MiB") == std::uint64_t{512} << 20);
  CHECK(parse_bytes("2gb") == std::uint64_t{2} << 30);
  CHECK(parse_bytes("0") == 0);
  for (const char* bad : {"", "G", "-1", "1X", "1GiBs", "nan", "1e30"}) CHECK_FALSE(parse_bytes(bad));
}

TEST_CASE("text: long lists of names are cut and say by how much") {
  CHECK(listed({}) == "");
  CHECK(listed({"a", "b\n"}) == "a, b\\x0a");
  CHECK(listed({"a", "b", "c"}, 2) == "a, b and 1 more");
}
