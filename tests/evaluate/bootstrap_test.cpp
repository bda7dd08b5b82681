#include "evaluate/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <doctest/doctest.h>

#include "base/random.h"
#include "evaluate/one_vs_rest.h"
#include "golden_case.h"

using namespace mt;

namespace {

std::vector<Outcome> outcomes_of(const test::GoldenCase& golden) {
  std::vector<Outcome> outcomes;
  for (std::size_t i = 0; i < golden.labels.size(); ++i) {
    outcomes.push_back(outcome_of(golden.scores.row<float>(i), golden.labels[i]));
  }
  return outcomes;
}

// The oracle: the resample written out, every sample as often as it was drawn.
MetricValues plainly_resampled(const test::GoldenCase& golden, const std::vector<std::uint32_t>& weights) {
  std::vector<Outcome> drawn;
  std::vector<std::size_t> rows;
  const std::vector<Outcome> all = outcomes_of(golden);
  for (std::size_t i = 0; i < all.size(); ++i) {
    drawn.insert(drawn.end(), weights[i], all[i]);
    rows.insert(rows.end(), weights[i], i);
  }
  Tally tally(golden.classes, 5);
  OneVsRest ranking(drawn, golden.classes);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    tally.add(drawn[i]);
    ranking.add(drawn[i].label, golden.scores.row<float>(rows[i]));
  }
  MetricValues values = tally.values();
  std::array<double, 2> sums{}, counts{};
  for (std::size_t c = golden.classes == 2 ? 1 : 0; c < golden.classes; ++c) {
    if (const auto area = ranking.area(c)) sums[0] += *area, ++counts[0];
    if (const auto precision = ranking.average_precision(c)) sums[1] += *precision, ++counts[1];
  }
  for (std::size_t k = 0; k < 2; ++k) values[kTallyMetrics + k] = sums[k] / counts[k];
  return values;
}

}  // namespace

TEST_CASE("bootstrap: as many draws as samples, each sample drawn once on average with the variance of chance") {
  std::vector<std::uint32_t> weights(1000);
  double squares = 0;
  for (std::uint64_t resample = 0; resample < 200; ++resample) {
    draw_weights(1, resample, weights);
    REQUIRE(std::accumulate(weights.begin(), weights.end(), 0U) == 1000);
    for (const std::uint32_t w : weights) squares += (w - 1.0) * (w - 1.0);
  }
  CHECK(squares / 200000 == doctest::Approx(1 - 1.0 / 1000).epsilon(0.02));  // multinomial; six standard errors
}

TEST_CASE("bootstrap: intervals are percentiles of the metrics of resamples that are written out") {
  for (const std::size_t number : {1, 4, 6}) {  // ties of two classes; absent classes
    const test::GoldenCase golden = test::golden_cases()[number];
    CAPTURE(golden.name);
    const std::vector<Outcome> outcomes = outcomes_of(golden);
    const BootstrapOptions options{40, 9, 0.9};
    ThreadPool pool(1);
    const auto intervals =
        bootstrap(outcomes, golden.classes, 5, RankingScores{golden.scores.as<float>(), golden.classes}, options, pool);
    REQUIRE(intervals.size() == kMetrics);
    std::vector<MetricValues> plain;
    std::vector<std::uint32_t> weights(outcomes.size());
    for (std::uint64_t r = 0; r < 40; ++r) {
      draw_weights(9, r, weights);
      plain.push_back(plainly_resampled(golden, weights));
    }
    for (std::size_t m = 0; m < kMetrics; ++m) {
      CAPTURE(name_of(static_cast<Metric>(m)));
      std::vector<double> column;
      for (const MetricValues& values : plain) column.push_back(values[m]);
      std::sort(column.begin(), column.end());
      CHECK(intervals[m].low == doctest::Approx(quantile(column, 0.05)).epsilon(1e-9));  // other order of sums
      CHECK(intervals[m].high == doctest::Approx(quantile(column, 0.95)).epsilon(1e-9));
    }
  }
}

TEST_CASE("bootstrap: the same bytes for any number of threads, other intervals for another seed") {
  const test::GoldenCase golden = test::golden_cases()[2];
  const std::vector<Outcome> outcomes = outcomes_of(golden);
  std::vector<std::vector<Interval>> results;
  for (const std::size_t threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    results.push_back(bootstrap(outcomes, golden.classes, 2, std::nullopt, {100, 5, 0.95}, pool));
    REQUIRE(results.back().size() == kTallyMetrics);
    for (std::size_t m = 0; m < kTallyMetrics; ++m) {
      CHECK(results.back()[m].low == results.front()[m].low);
      CHECK(results.back()[m].high == results.front()[m].high);
    }
  }
  ThreadPool pool(1);
  CHECK(bootstrap(outcomes, golden.classes, 2, std::nullopt, {100, 6, 0.95}, pool)[9].low != results[0][9].low);
}

TEST_CASE("bootstrap: the interval of an accuracy is as wide as the binomial distribution says") {
  std::vector<Outcome> outcomes(2000);
  for (std::size_t i = 0; i < outcomes.size(); ++i) outcomes[i].prediction = i % 5 == 0 ? 1 : 0;
  ThreadPool pool(2);
  const Interval interval = bootstrap(outcomes, 2, 1, std::nullopt, {2000, 0, 0.95}, pool)[0];
  const double deviation = std::sqrt(0.8 * 0.2 / 2000);
  CHECK(interval.low == doctest::Approx(0.8 - 1.96 * deviation).epsilon(0.005));
  CHECK(interval.high == doctest::Approx(0.8 + 1.96 * deviation).epsilon(0.005));
}

TEST_CASE("bootstrap: nothing to resample gives nothing") {
  ThreadPool pool(1);
  CHECK(bootstrap({}, 3, 5, std::nullopt, {}, pool).empty());
  const std::vector<Outcome> one(1);
  CHECK(bootstrap(one, 1, 5, std::nullopt, {0, 0, 0.95}, pool).empty());
}

TEST_CASE("quantile: linear between neighbours, as numpy.percentile") {
  const std::vector<double> values = {1, 2, 4, 8};
  CHECK(quantile(values, 0) == 1);
  CHECK(quantile(values, 1) == 8);
  CHECK(quantile(values, 0.5) == 3);
  CHECK(quantile(values, 0.9) == doctest::Approx(6.8));
}
