#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include "base/error.h"
#include "decode/series/series_lines.h"

using namespace mt;

namespace {

const std::string kTs =
    "# a comment\n@problemName Vowels\n@timeStamps false\n@missing true\n@univariate false\n@dimensions 2\n"
    "@equalLength false\n@classLabel true a b\n@data\n";

std::vector<float> values_of(const SeriesCase& parsed) {
  const auto values = parsed.values.as<float>();
  return {values.begin(), values.end()};
}

std::string why(std::string_view line, const SeriesHeader& header) {
  try {
    parse_series_case(line, header, "f");
  } catch (const Error& error) {
    return error.why();
  }
  return "";
}

std::string header_error(std::string_view text, SeriesFormat format) {
  try {
    parse_series_header(text, format, "f");
  } catch (const Error& error) {
    return error.why();
  }
  return "";
}

}  // namespace

TEST_CASE(".ts: the header's claims, and a case of two channels") {
  const SeriesHeader header = parse_series_header(kTs, SeriesFormat::ts, "f");
  CHECK(header.channels == 2);
  CHECK(header.labels);
  CHECK(header.class_names == std::vector<std::string>{"a", "b"});
  CHECK(header.data_offset == kTs.size());

  const SeriesCase parsed = parse_series_case("1,?,3.5:-1e2, +5 ,NaN:b", header, "f");
  CHECK(parsed.label == "b");
  CHECK(parsed.values.shape() == Shape{3, 2});
  const std::vector<float> values = values_of(parsed);
  CHECK(values[0] == 1.0F);
  CHECK(values[1] == -100.0F);
  CHECK(std::isnan(values[2]));
  CHECK(values[3] == 5.0F);
  CHECK(values[4] == 3.5F);
  CHECK(std::isnan(values[5]));
}

TEST_CASE(".ts: what does not fit is told") {
  const SeriesHeader header = parse_series_header(kTs, SeriesFormat::ts, "f");
  CHECK(why("1,2:3:a", header) == "its channel 2 has 1 steps, the first has 2");
  CHECK(why("1,2:a", header) == "has 1 channels, the header declares 2");
  CHECK(why("1,2:3,4:c", header) == "its class \"c\" is none of those that the header declares");
  CHECK(why("1,x:3,4:a", header) == "value 2 is \"x\", not a number");
  CHECK(why("1,inf:3,4:a", header) == "value 2 is \"inf\", not a number");
  CHECK(why("1,1e39:3,4:a", header) == "value 2 is \"1e39\", not a number");
  CHECK(header_error("@data\n", SeriesFormat::ts).empty());
  CHECK(header_error("@timestamps true\n@data\n", SeriesFormat::ts) ==
        "line 1: its series have time stamps of their own");
  CHECK(header_error("@dimensions 99999999999\n@data\n", SeriesFormat::ts) ==
        "line 1: \"@dimensions 99999999999\" declares too many dimensions");
  CHECK(header_error("@dimensions -1\n@data\n", SeriesFormat::ts) ==
        "line 1: \"@dimensions -1\" needs a whole number from 1");
  CHECK(header_error("1,2,3:a\n", SeriesFormat::ts) ==
        "line 1: \"1,2,3:a\" is neither an @ line nor a # line, and @data has not come yet");
  CHECK(header_error("# nothing\n", SeriesFormat::ts) == "has no @data line");
}

TEST_CASE(".ts: a number to be predicted instead of a class") {
  const SeriesHeader header = parse_series_header("@targetLabel true\n@data\n", SeriesFormat::ts, "f");
  CHECK(header.targets);
  CHECK_FALSE(header.labels);
  CHECK(parse_series_case("1,2:0.25", header, "f").label == "0.25");
}

TEST_CASE(".arff: one attribute a step, class last") {
  const std::string text =
      "% made by hand\r\n@Relation 'two words'\r\n@attribute att1 numeric\r\n@attribute 'att 2' REAL\r\n"
      "@attribute target {1, 'a b'}\r\n\r\n@data\r\n0.5,?,'a b'\r\n";
  const SeriesHeader header = parse_series_header(text, SeriesFormat::arff, "f");
  CHECK(header.steps == 2);
  CHECK(header.class_names == std::vector<std::string>{"1", "a b"});
  const SeriesCase parsed = parse_series_case("0.5,?,'a b'", header, "f");
  CHECK(parsed.label == "a b");
  CHECK(parsed.values.shape() == Shape{2, 1});
  CHECK(values_of(parsed)[0] == 0.5F);
  CHECK(why("0.5,1,2,1", header) == "has 3 steps, the header declares 2");
}

TEST_CASE(".arff: channels as a relational attribute") {
  const std::string text =
      "@relation r\n@attribute series relational\n@attribute t0 numeric\n@attribute t1 numeric\n@end series\n"
      "@attribute activity {run,walk}\n@data\n";
  const SeriesHeader header = parse_series_header(text, SeriesFormat::arff, "f");
  CHECK(header.relational);
  CHECK(header.steps == 2);
  const SeriesCase parsed = parse_series_case("'1,2\\n3,4\\n5,6',walk", header, "f");
  CHECK(parsed.values.shape() == Shape{2, 3});
  CHECK(values_of(parsed) == std::vector<float>{1, 3, 5, 2, 4, 6});
  CHECK(parsed.label == "walk");
  CHECK(why("1,2\\n3,4,walk", header) == "its series is not in quotes");
}

TEST_CASE(".tsv: class first, shorter series filled up with NaN") {
  const SeriesHeader header = parse_series_header("2\t1\t2\n", SeriesFormat::tsv, "f");
  const SeriesCase parsed = parse_series_case("2\t1\t2\tNaN\tNaN", header, "f");
  CHECK(parsed.label == "2");
  CHECK(parsed.values.shape() == Shape{2, 1});
  CHECK(series_label("-1\tbroken", header) == "-1");
  CHECK(why("2\tNaN", header) == "has no values");
}
