#include "base/json.h"

#include <string>

#include <doctest/doctest.h>

#include "base/error.h"

using namespace mt;

TEST_CASE("json: values arrive as they were written") {
  const auto value = parse_json(R"({"a": [1, 2.5, null, true], "b": {"c": "d"}})", "x.json");
  CHECK(value["a"][1] == 2.5);
  CHECK(value["b"]["c"] == "d");
  CHECK(parse_json("18446744073709551615", "x.json").get<std::uint64_t>() == 18446744073709551615U);
}

TEST_CASE("json: a key twice, trailing bytes, bad UTF-8 and cut text are refused with the file's name") {
  for (const std::string text : {R"({"a": 1, "a": 2})", "{} x", "\"\xff\"", "{\"a\"", "", "[1e999]", "nan"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(parse_json(text, "x.json"), doctest::Contains("x.json: "), Error);
  }
  CHECK_THROWS_AS(parse_json(std::string_view("1\0", 2), "x.json"), Error);
  CHECK_NOTHROW(parse_json(R"({"a": {"k": 1}, "b": {"k": 2}})", "x.json"));
}

TEST_CASE("json: a depth of 100000 is refused, not followed") {
  CHECK_THROWS_WITH_AS(parse_json(std::string(100000, '['), "x.json"), doctest::Contains("deeper than 64"), Error);
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  CHECK_THROWS_WITH_AS(parse_json(objects, "x.json"), doctest::Contains("deeper than 64"), Error);
}
