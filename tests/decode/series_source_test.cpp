#include <string>

#include <doctest/doctest.h>

#include "base/error.h"
#include "decode/series/series_source.h"
#include "support/plain_file.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

// n hours from 2016-07-01 on, x counting from 0, y its square; a gap of two hours behind row `gap`.
std::string hours(int n, int gap = -1) {
  std::string text = "date,x,y,state\n";
  for (int i = 0; i < n; ++i) {
    const int hour = i + (gap >= 0 && i > gap ? 2 : 0);
    text += "2016-07-0" + std::to_string(1 + hour / 24) + " " + (hour % 24 < 10 ? "0" : "") +
            std::to_string(hour % 24) + ":00:00," + std::to_string(i) + "," + std::to_string(i * i) + "," +
            (i % 5 < 3 ? "on" : "off") + "\n";
  }
  return text;
}

SeriesSourceOptions windows(const std::filesystem::path& file, std::size_t steps, std::size_t stride,
                            std::size_t horizon) {
  SeriesSourceOptions options;
  options.inputs = {file.string()};
  options.columns.values = {"x", "y"};
  options.window = {steps, stride, horizon, "majority", false};
  return options;
}

float first_value(const SeriesSource& source, std::size_t i) { return source.load(i).values.as<float>()[0]; }

}  // namespace

TEST_CASE("cases: lines of several files are one list, blank lines and comments are none") {
  const test::TemporaryDirectory directory;
  const std::string header = "@univariate true\n@classLabel true\n@data\n";
  test::plain_file(directory / "a.ts", header + "\n1,2,3:10\n# no case\n4,5:9\n");
  test::plain_file(directory / "b.ts", header + "broken:9\n7,8:2");
  SeriesSourceOptions options;
  options.inputs = {(directory / "a.ts").string(), (directory / "b.ts").string()};
  const auto source = SeriesSource::open(options);
  CHECK(source->size() == 4);
  CHECK(source->id(1) == "a.ts#1");
  CHECK(source->id(3) == "b.ts#1");
  CHECK(source->label_names() == std::vector<std::string>{"2", "9", "10"});
  CHECK(source->label(0) == 2);
  CHECK(source->load(1).values.shape() == Shape{2, 1});
  CHECK_THROWS_WITH_AS(source->load(2),
                       doctest::Contains(": case 0: value 1 is \"broken\", not a number (correct the line)"), Error);
  std::size_t blocks = 0;
  source->for_each_training_block([&](const Tensor&) { ++blocks; });
  CHECK(blocks == 3);
}

TEST_CASE("windows: starts, classes by majority, what is left over is no window") {
  const test::TemporaryDirectory directory;
  auto options = windows(test::plain_file(directory / "r.csv", hours(23)), 5, 0, 0);
  options.columns.label = "state";
  const auto source = SeriesSource::open(options);
  CHECK(source->size() == 4);
  CHECK(source->id(2) == "r.csv#10");
  CHECK(first_value(*source, 2) == 10.0F);
  CHECK(source->label_names() == std::vector<std::string>{"on"});
  CHECK(source->label(0) == 0);
  options.window.label = "last";
  CHECK(SeriesSource::open(options)->label_names() == std::vector<std::string>{"off"});
}

TEST_CASE("forecasts: targets of a part lie in it, contexts may reach back") {
  const test::TemporaryDirectory directory;
  auto options = windows(test::plain_file(directory / "r.csv", hours(100)), 4, 0, 2);
  options.split.part = TimeSplit::Part::train;
  const auto train = SeriesSource::open(options);
  CHECK(train->size() == 70 - 4 - 2 + 1);
  CHECK(train->load(64).future.as<float>()[2] == 69.0F);
  options.split.part = TimeSplit::Part::validation;
  const auto validation = SeriesSource::open(options);
  CHECK(validation->size() == 10 - 2 + 1);
  CHECK(first_value(*validation, 0) == 66.0F);
  CHECK(validation->load(0).future.as<float>()[0] == 70.0F);
  options.split.part = TimeSplit::Part::test;
  CHECK(SeriesSource::open(options)->load(0).future.as<float>()[0] == 80.0F);

  // Statistics never see more than the training part, whichever part is asked for.
  float most = 0;
  validation->for_each_training_block([&](const Tensor& block) {
    for (std::size_t t = 0; t < block.rows(); ++t) most = std::max(most, block.row<float>(t)[0]);
  });
  CHECK(most == 69.0F);
}

TEST_CASE("splits by months count steps of 30 days") {
  TimeSplit split;
  set_lengths(split, "months:12,4,4");
  constexpr std::int64_t kHour = 3'600'000;
  CHECK(part_of(split, TimeSplit::Part::train, 17420, kHour, "f").end == 8640);
  CHECK(part_of(split, TimeSplit::Part::validation, 17420, kHour, "f").end == 11520);
  CHECK(part_of(split, TimeSplit::Part::test, 17420, kHour, "f").end == 14400);
  CHECK_THROWS_AS(part_of(split, TimeSplit::Part::test, 14399, kHour, "f"), Error);
  CHECK_THROWS_AS(part_of(split, TimeSplit::Part::test, 17420, 0, "f"), Error);
  for (const char* wrong : {"", "0.7,0.3", "0.7,0.2,0.2", "0,0.5,0.5", "a,b,c", "months:1,2", "0.5,-0.1,0.1"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(set_lengths(split, wrong), UsageError);
  }
}

TEST_CASE("a gap in the times rejects the windows that cross it") {
  const test::TemporaryDirectory directory;
  auto options = windows(test::plain_file(directory / "r.csv", hours(20, 9)), 4, 1, 0);
  const auto source = SeriesSource::open(options);
  CHECK_NOTHROW(source->load(6));
  CHECK_THROWS_WITH_AS(
      source->load(7),
      doctest::Contains(": has a gap of 10800 s behind step 9 (2016-07-01 09:00:00) (--across-gaps takes it)"), Error);
  options.window.across_gaps = true;
  CHECK_NOTHROW(SeriesSource::open(options)->load(7));
}

TEST_CASE("recordings: a broken one is a rejected sample, others go on") {
  const test::TemporaryDirectory directory;
  test::plain_file(directory / "a.csv", hours(10));
  test::plain_file(directory / "b.csv", "date,x,y,state\n2016-07-01,1,2,on\n2016-07-02,oops,2,on\n");
  test::plain_file(directory / "c.csv", "date,x\n2016-07-01,1\n");
  SeriesSourceOptions options = windows(directory.path(), 5, 0, 0);
  const auto source = SeriesSource::open(options);
  CHECK(source->size() == 4);
  CHECK(source->id(2) == "b.csv");
  CHECK_THROWS_AS(source->load(2), Error);
  CHECK_THROWS_AS(source->load(3), Error);
  options.inputs = {(directory / "b.csv").string()};
  CHECK_THROWS_AS(SeriesSource::open(options), Error);
}

TEST_CASE("arrays: channels last or first, a recording with a window") {
  const test::TemporaryDirectory directory;
  std::string npy = "\x93NUMPY";
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 3), }\n";
  npy += std::string("\1\0", 2) + static_cast<char>(header.size()) + '\0' + header;
  for (float i = 0; i < 12; ++i) npy.append(reinterpret_cast<const char*>(&i), sizeof i);
  SeriesSourceOptions options;
  options.inputs = {test::plain_file(directory / "x.npy", npy).string()};
  const auto last = SeriesSource::open(options);
  CHECK(last->channels() == 3);
  CHECK(last->load(1).values.as<float>()[1] == 7.0F);
  options.channels_first = true;
  const auto first = SeriesSource::open(options);
  CHECK(first->channels() == 2);
  CHECK(first->load(1).values.as<float>()[1] == 9.0F);
  options.window.steps = 2;
  CHECK_THROWS_AS(SeriesSource::open(options), Error);  // three dimensions are no recording
}

TEST_CASE("options that do not go together are refused") {
  const test::TemporaryDirectory directory;
  SeriesSourceOptions options;
  CHECK_THROWS_AS(SeriesSource::open(options), UsageError);
  options.inputs = {test::plain_file(directory / "a.ts", "@data\n1,2\n").string()};
  options.window.steps = 2;
  CHECK_THROWS_AS(SeriesSource::open(options), UsageError);
  options.window.steps = 0;
  options.split.part = TimeSplit::Part::train;
  CHECK_THROWS_AS(SeriesSource::open(options), UsageError);
  options.split.part = TimeSplit::Part::all;
  options.inputs.push_back((directory / "b.csv").string());
  CHECK_THROWS_AS(SeriesSource::open(options), UsageError);
}
