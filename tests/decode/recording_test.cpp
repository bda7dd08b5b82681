#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include "base/error.h"
#include "decode/series/calendar.h"
#include "decode/series/recording.h"
#include "support/goldens.h"

using namespace mt;

namespace {

std::string why(std::string_view text, const RecordingColumns& columns = {}) {
  try {
    parse_recording(text, "f", columns, 100);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("times: what is one and what is none") {
  CHECK(parse_time("1970-01-01") == 0);
  CHECK(parse_time("1970-01-02 00:00:01") == 86'401'000);
  CHECK(parse_time("1970-01-01T01:00:00.25Z") == 3'600'250);
  CHECK(parse_time("1969/12/31 23:00") == -3'600'000);
  for (const char* none : {"", "2016", "2016-13-01", "2015-02-29", "2016-07-01 24:00", "2016-07-01 10", "2016-07/01",
                           "2016-07-01 10:00+02:00", "2016-07-01 10:00:60", "01-07-2016", "2016-07-01x"}) {
    CAPTURE(none);
    CHECK_FALSE(parse_time(none).has_value());
  }
  CHECK(time_text(*parse_time("2016-07-01 13:05:09.999")) == "2016-07-01 13:05:09");
}

TEST_CASE("calendar features agree with pandas") {
  const nlohmann::json golden = test::golden("series")["calendar"];
  std::size_t at = 0;
  for (const auto& date : golden["dates"]) {
    for (const float feature : calendar_features(*parse_time(date.get<std::string>()))) {
      CHECK(feature == golden["features"][at++].get<float>());
    }
  }
}

TEST_CASE("recording: times, units, values and classes find their columns") {
  const Recording recording = parse_recording(
      "\xEF\xBB\xBF"
      "date,acc_x,acc_y,activity\n,m/s^2,m/s^2,\n2016-07-01 00:00:00,1,,walk\n"
      "2016-07-01 01:00:00,3,4,walk\n2016-07-01 02:00:00,nan,6,run\n",
      "f", {"", "activity", {}, '\0'});
  CHECK(recording.channels == std::vector<std::string>{"acc_x", "acc_y"});
  CHECK(recording.calendar);
  CHECK(recording.interval_ms() == 3'600'000);
  CHECK(recording.steps() == 3);
  const auto values = recording.values.as<float>();
  CHECK(values[0] == 1.0F);
  CHECK(std::isnan(values[1]));
  CHECK(values[3] == 4.0F);
  CHECK(std::isnan(values[4]));
  CHECK(recording.class_names == std::vector<std::string>{"walk", "run"});
  CHECK(recording.labels == std::vector<std::uint32_t>{0, 0, 1});
}

TEST_CASE("recording: seconds as times, chosen columns, other separators") {
  const Recording recording = parse_recording("time;x;note\n0.5;1;a\n0.75;2;b\n", "f", {"", "", {"x"}, '\0'});
  CHECK(recording.times_ms == std::vector<std::int64_t>{500, 750});
  CHECK_FALSE(recording.calendar);
  CHECK(recording.values.shape() == Shape{2, 1});
}

TEST_CASE("recording: what is wrong is told with its line") {
  CHECK(why("") == "f: is empty (give a recording with a header line)");
  CHECK(why("1,2\n3,4\n") == "f: its first line holds no names of columns (put a header line in front)");
  CHECK(why("date,x\n2016-07-01,abc\n2016-07-02,1\n").empty());  // a row of units
  CHECK(why("date,x\n2016-07-01,1\n2016-07-02,abc\n") ==
        "f: line 3: \"abc\" in column \"x\" is no number (correct it, or name the columns of values with --columns)");
  CHECK(why("date,x\n2016-07-01,1\n2016-07-01,1\n") ==
        "f: line 3: its time 2016-07-01 is not later than that of the row before (sort the rows by time)");
  CHECK(why("date,x\nnoon,1\n") ==
        "f: line 2: \"noon\" is no time (write 2016-07-01 13:00:00, or seconds; --time-column none does without)");
  CHECK(why("date,x\n2016-07-01,1\n5,1\n").find("\"5\" is no time") != std::string::npos);
  CHECK(why("date,x\n2016-07-01,1\n", {"dato", "", {}, '\0'}).find("has no column \"dato\"") != std::string::npos);
  CHECK(why("date\n2016-07-01\n").find("has no column of values") != std::string::npos);
  std::string many = "x\n";
  for (int i = 0; i < 101; ++i) many += "1\n";
  CHECK(why(many) == "f: has more than 100 values (cut it into several files)");
}
