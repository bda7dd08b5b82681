#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "decode/series/calendar.h"
#include "decode/series/series_source.h"
#include "support/goldens.h"
#include "support/plain_file.h"
#include "support/temporary_directory.h"
#include "tokenize/embedded_samples.h"
#include "tokenize/linear_embedding.h"
#include "tokenize/series/series_samples.h"

using namespace mt;

namespace {

std::vector<float> numbers(const nlohmann::json& json) { return json.get<std::vector<float>>(); }

// The golden series as rows of an embedding: its patches, calendar behind them where dated.
struct Cut {
  Tensor patches, none;
  Tensor grid = Tensor::of<std::int32_t>({1, 3}, {1, 1, 1});
  std::vector<std::int64_t> offsets;
};

Tensor golden_series(const nlohmann::json& golden) {
  const std::vector<float> values = numbers(golden["series"]);
  return Tensor::of<float>({golden["steps"], golden["channels"]}, std::span<const float>(values));
}

Cut cut(const nlohmann::json& golden, const std::string& preset, bool dated) {
  const Tensor series = golden_series(golden);
  const SeriesPatching patching = series_patching_named(preset);
  const std::size_t rows = patching.rows(series.rows(), series.columns());
  const std::size_t columns = patching.columns(series.columns()), width = columns + (dated ? kCalendarFields : 0);
  Cut cut;
  cut.patches = Tensor(DType::f32, {rows, width});
  cut_series(series, patching, cut.patches.as<float>().data(), width);
  for (std::size_t t = 0; dated && t < rows; ++t) {
    const auto fields = calendar_features(*parse_time(golden["dates"][t].get<std::string>()));
    std::ranges::copy(fields, cut.patches.row<float>(t).begin() + static_cast<std::ptrdiff_t>(columns));
  }
  cut.offsets = {0, static_cast<std::int64_t>(rows)};
  return cut;
}

// Weights [D, columns], and further columns behind them.
Part part_with(const nlohmann::json& golden, const nlohmann::json& weight, const nlohmann::json& behind,
               bool sinusoid) {
  const std::size_t width = golden["width"];
  const std::vector<float> first = numbers(weight), second = behind.is_null() ? std::vector<float>() : numbers(behind);
  const std::size_t columns = first.size() / width, more = second.size() / width;
  Part part;
  part.config = {{"modality", "time-series"}, {"embedding", "linear"}, {"width", width}};
  if (sinusoid) part.config["positions"] = "sinusoid";
  Tensor joined(DType::f32, {width, columns + more});
  for (std::size_t d = 0; d < width; ++d) {
    const auto row = joined.row<float>(d);
    std::copy_n(first.begin() + static_cast<std::ptrdiff_t>(d * columns), columns, row.begin());
    std::copy_n(second.begin() + static_cast<std::ptrdiff_t>(d * more), more,
                row.begin() + static_cast<std::ptrdiff_t>(columns));
  }
  part.tensors["patch.weight"] = std::move(joined);
  return part;
}

double worst(const Tensor& tokens, const nlohmann::json& expected) {
  const std::vector<float> values = numbers(expected);
  REQUIRE(values.size() == tokens.size());
  double most = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    most = std::max(most, static_cast<double>(std::abs(values[i] - tokens.as<float>()[i])));
  return most;
}

Tensor embedded(const Part& part, const Cut& cut) {
  return LinearEmbedding(part).forward(PatchRows(cut.patches, cut.none, cut.none, cut.grid, cut.offsets));
}

constexpr double kRounding = 2e-6;  // sums of up to 30 float32 products of numbers around 1

std::size_t parameter_count(const Part& part) {
  std::size_t count = 0;
  for (const auto& [name, tensor] : part.tensors) count += name.starts_with("scale.") ? 0 : tensor.size();
  return count;
}

Batch made(const SeriesSamples& samples, std::size_t i) {
  Batch batch = samples.empty_batch();
  samples.make(i, batch);
  return batch;
}

std::string refusal(const SeriesSamples& samples, std::size_t i) {
  try {
    made(samples, i);
  } catch (const Error& error) {
    return error.why();
  }
  return "";
}

struct File {
  test::TemporaryDirectory directory;
  std::unique_ptr<SeriesSource> open(const std::string& name, const std::string& text, WindowOptions window = {},
                                     TimeSplit::Part part = TimeSplit::Part::all) const {
    SeriesSourceOptions options;
    options.inputs = {test::plain_file(directory / name, text).string()};
    options.window = window;
    options.split.part = part;
    return SeriesSource::open(options);
  }
};

const std::string kTwoChannels = "@dimensions 2\n@classLabel true\n@data\n1,2,3,4:10,20,30,40:a\n5,6,7:50,60,70:b\n";

}  // namespace

TEST_CASE("step: equals the Time-Series-Library's DataEmbedding, with and without dates") {
  const nlohmann::json golden = test::golden("series");
  const auto& step = golden["step"];
  CHECK(worst(embedded(part_with(golden, step["weight"], nullptr, true), cut(golden, "step", false)), step["plain"]) <
        kRounding);
  CHECK(worst(embedded(part_with(golden, step["weight"], step["calendar"], true), cut(golden, "step", true)),
              step["dated"]) < kRounding);
}

TEST_CASE("patch: equals the Time-Series-Library's PatchEmbedding, a channel after the other") {
  const nlohmann::json golden = test::golden("series");
  const Cut all = cut(golden, "patch", false);
  CHECK(worst(embedded(part_with(golden, golden["patch"]["weight"], nullptr, false), all), golden["patch"]["rows"]) <
        kRounding);
  // Each channel as a sequence of its own starts its positions anew.
  Cut apart = all;
  const auto each = static_cast<std::int64_t>(all.patches.rows() / 3);
  apart.offsets = {0, each, 2 * each, 3 * each};
  apart.grid = Tensor::of<std::int32_t>({3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1});
  CHECK(worst(embedded(part_with(golden, golden["patch"]["weight"], nullptr, true), apart), golden["patch"]["tokens"]) <
        kRounding);
}

TEST_CASE("block and conv: equal an unfolded linear map with a norm, and a Conv1d") {
  const nlohmann::json golden = test::golden("series");
  Part block = part_with(golden, golden["block"]["weight"], nullptr, false);
  for (const auto& [name, key] : {std::pair{"norm.weight", "gain"}, {"norm.bias", "bias"}}) {
    const std::vector<float> values = numbers(golden["block"][key]);
    block.tensors[name] = Tensor::of<float>({values.size()}, std::span<const float>(values));
  }
  CHECK(worst(embedded(block, cut(golden, "block", false)), golden["block"]["tokens"]) < 10 * kRounding);
  CHECK(worst(embedded(part_with(golden, golden["conv"]["weight"], nullptr, false), cut(golden, "conv", false)),
              golden["conv"]["tokens"]) < kRounding);
}

TEST_CASE("parameters are as many as published: 19,200, 21,504, 51,456 and 1,989,120") {
  for (const auto& [channels, count] : test::golden("series")["parameters"].items()) {
    SeriesTokenization tokenization;
    tokenization.patching = series_patching_named("step");
    tokenization.calendar = true;
    tokenization.scale.shift.assign(std::stoul(channels), 0);
    tokenization.scale.factor.assign(std::stoul(channels), 1);
    Part part = to_part(tokenization);
    initialise_series_embedding(part, 768, 0);
    CHECK(parameter_count(part) == count.get<std::size_t>());
  }
}

TEST_CASE("patch counts: 96 steps, 250 blocks of a 2000-step window, 391 convolutions of 400 steps") {
  CHECK(series_patching_named("step").patches(96) == 96);
  CHECK(series_patching_named("patch").patches(96) == 12);
  CHECK(series_patching_named("block").patches(2000) == 250);
  CHECK(series_patching_named("conv").patches(400) == 391);
  CHECK(series_patching_named("conv").patches(9) == 0);
  CHECK(series_patching_named("patch").patches(7) == 0);
  CHECK(series_patching_named("step").patches(1) == 1);
  CHECK(series_patching_named("step").patches(0) == 0);
}

TEST_CASE("z-score: the training cases' mean and deviation, whatever their lengths, missing values left out") {
  const File file;
  const auto source = file.open("a.ts", kTwoChannels);
  const Part part = fit_series(*source, "imu", series_patching_named("step"), false, true, {});
  const ChannelScale scale = scale_of(part);
  CHECK(scale.shift[0] == doctest::Approx(4));
  CHECK(scale.shift[1] == doctest::Approx(40));
  CHECK(scale.factor[0] == doctest::Approx(0.5));
  CHECK(scale.factor[1] == doctest::Approx(0.05));
  CHECK(part.config["longest"] == 4);
  const SeriesSamples samples(*source, series_tokenization_of(part), {});
  const Batch batch = made(samples, 1);
  // Channel by channel, the taps t - 1, t, t + 1 with the ends joined.
  CHECK(batch.rows.row<float>(0)[0] == doctest::Approx(1.5));
  CHECK(batch.rows.row<float>(0)[1] == doctest::Approx(0.5));
  CHECK(batch.rows.row<float>(0)[3] == doctest::Approx(1.5));
  CHECK(batch.grid.row<std::int32_t>(0)[0] == 3);
  CHECK(batch.centers.row<float>(2)[0] == 2.0F);
}

TEST_CASE("missing and infinite values reject the sample and name the place, or are filled in between") {
  const File file;
  const auto source =
      file.open("a.ts", "@univariate true\n@classLabel true\n@data\n1,3:a\n?,1,?,?,4,?:a\n?,?:b\n2:b\n");
  const SeriesTokenization tokenization =
      series_tokenization_of(fit_series(*source, "imu", series_patching_named("step"), false, false, {}));
  const SeriesSamples strict(*source, tokenization, {});
  CHECK(refusal(strict, 1) == "its value of channel 0 at step 0 is missing");
  const SeriesSamples filled(*source, tokenization, {MissingValues::interpolate, 0, false, {}});
  CHECK(refusal(filled, 2) == "channel 0 has no value at all");
  const Batch batch = made(filled, 1);
  for (const auto& [step, value] : {std::pair{0, 1.0F}, {1, 1.0F}, {2, 2.0F}, {3, 3.0F}, {4, 4.0F}, {5, 4.0F}}) {
    CHECK(tokenization.scale.inverse(batch.rows.row<float>(static_cast<std::size_t>(step))[1], 0) ==
          doctest::Approx(value));
  }
}

TEST_CASE("too short for a patch is a rejection, too long is cut by --max-tokens and counted") {
  const File file;
  const auto source = file.open("a.ts", "@univariate true\n@data\n1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n1,2\n");
  const Part part = fit_series(*source, "imu", series_patching_named("block"), false, true, {});
  const SeriesSamples samples(*source, series_tokenization_of(part), {MissingValues::reject, 1, false, {}});
  CHECK(refusal(samples, 1) == "has 2 steps, too few for a patch of 8");
  CHECK(made(samples, 0).rows.rows() == 1);
  CHECK(samples.truncated() == 1);
  for (const char* preset : {"step", "patch", "block", "conv"}) {
    const SeriesSamples cut(
        *source, series_tokenization_of(fit_series(*source, "imu", series_patching_named(preset), false, true, {})),
        {MissingValues::reject, 1, false, {}});
    CAPTURE(preset);
    CHECK(made(cut, 0).rows.rows() == 1);
  }
}

TEST_CASE("forecasts: targets are scaled as the inputs, together step by step, or a channel a sample") {
  const File file;
  std::string text = "date,x,y\n";
  for (int i = 0; i < 24; ++i)
    text += "2016-07-01 " + std::string(i < 10 ? "0" : "") + std::to_string(i) + ":00:00," + std::to_string(i) + "," +
            std::to_string(100 - i) + "\n";
  const auto source = file.open("r.csv", text, {16, 4, 2, "majority", false});
  const SeriesTokenization steps =
      series_tokenization_of(fit_series(*source, "time-series", series_patching_named("step"), true, false, {}));
  const SeriesSamples together(*source, steps, {});
  CHECK(together.size() == 2);
  CHECK(together.schema().target_names == std::vector<std::string>{"x+1", "y+1", "x+2", "y+2"});
  const Batch batch = made(together, 1);
  CHECK(batch.rows.columns() == 3 * 2 + 4);
  CHECK(batch.targets.as<float>()[1] == doctest::Approx(steps.scale(80, 1)));
  CHECK(batch.targets.as<float>()[2] == doctest::Approx(steps.scale(21, 0)));
  CHECK(batch.rows.row<float>(0)[6] == doctest::Approx(4 / 23.0 - 0.5));
  CHECK(batch.centers.row<float>(3)[0] == 3 * 3600.0F);

  const SeriesSamples apart(
      *source,
      series_tokenization_of(fit_series(*source, "time-series", series_patching_named("patch"), false, false, {})),
      {MissingValues::reject, 0, true, {}});
  CHECK(apart.size() == 4);
  CHECK(apart.id(3) == "r.csv#4:y");
  const Batch one = made(apart, 3);
  CHECK(one.rows.shape() == Shape{2, 16});
  CHECK(one.targets.as<float>()[1] == doctest::Approx(steps.scale(79, 1)));
  CHECK(one.rows.row<float>(1)[15] == doctest::Approx(steps.scale(81, 1)));  // the last value, repeated
}

TEST_CASE("a tokenizer refuses data of other channels, other names, or without dates") {
  const File file;
  const auto two = file.open("a.ts", kTwoChannels);
  const Part part = fit_series(*two, "imu", series_patching_named("step"), false, true, {});
  const auto one = file.open("b.ts", "@univariate true\n@data\n1,2\n");
  CHECK_THROWS_AS(SeriesSamples(*one, series_tokenization_of(part), {}), Error);
  const auto named = file.open("c.csv", "x,y\n1,2\n3,4\n");
  const Part fitted = fit_series(*named, "imu", series_patching_named("step"), false, true, {});
  const auto others = file.open("d.csv", "y,x\n1,2\n3,4\n");
  CHECK_THROWS_AS(SeriesSamples(*others, series_tokenization_of(fitted), {}), Error);
  SeriesTokenization dated = series_tokenization_of(fitted);
  dated.calendar = true;
  CHECK_THROWS_AS(SeriesSamples(*named, dated, {}), Error);
}

TEST_CASE("a part of a file is a claim: damaged ones are refused") {
  const File file;
  const auto source = file.open("a.ts", kTwoChannels);
  const Part good = fit_series(*source, "imu", series_patching_named("step"), false, true, {});
  const auto refuses = [&](auto change) {
    Part part = good;
    change(part);
    CHECK_THROWS_AS(series_tokenization_of(part), Error);
  };
  refuses([](Part& p) { p.config.erase("patches"); });
  refuses([](Part& p) { p.config["patches"]["kernel"] = 0; });
  refuses([](Part& p) { p.config["patches"]["kernel"] = -1; });
  refuses([](Part& p) { p.config["patches"]["kernel"] = "3"; });
  refuses([](Part& p) { p.config["patches"]["ends"] = "round"; });
  refuses([](Part& p) { p.config["channel_names"] = 5; });
  refuses([](Part& p) { p.tensors.erase("scale.shift"); });
  refuses([](Part& p) { p.tensors["scale.factor"].as<float>()[0] = 0; });
  refuses([](Part& p) { p.tensors["scale.shift"] = Tensor(DType::f32, {3}); });
}
