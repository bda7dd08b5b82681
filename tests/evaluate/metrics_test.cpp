#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "evaluate/classification.h"
#include "golden_case.h"

using namespace mt;
using mt::test::golden_cases;
using mt::test::GoldenCase;

namespace {

// The bound; the reference works in float64 (log loss in float32), we in float64 over float32 terms.
constexpr double kTolerance = 1e-6;

ClassificationResult scored(const GoldenCase& golden, std::size_t top_k, std::size_t resamples = 0) {
  ClassificationOptions options;
  options.top_k = top_k;
  options.bootstrap.resamples = resamples;
  std::vector<std::string> names;
  for (std::size_t c = 0; c < golden.classes; ++c) names.push_back("class " + std::to_string(c));
  ClassificationScorer scorer(names, options);
  scorer.add(golden.labels, golden.scores);
  ThreadPool pool(1);
  return scorer.result(pool);
}

void check_near(double value, const nlohmann::json& expected) {
  CHECK(std::abs(value - expected.get<double>()) <= kTolerance);
}

void check_optional(const std::optional<double>& value, const nlohmann::json& expected) {
  REQUIRE(value.has_value() != expected.is_null());
  if (value) check_near(*value, expected);
}

}  // namespace

TEST_CASE("metrics: every value equals scikit-learn's on the same arrays") {
  const std::vector<GoldenCase> cases = golden_cases();
  REQUIRE(cases.size() >= 10);
  for (const GoldenCase& golden : cases) {
    CAPTURE(golden.name);
    for (const std::size_t k : {2, 5}) {
      const ClassificationResult result = scored(golden, k);
      std::size_t compared = 0;
      for (const MetricResult& metric : result.metrics) {
        CAPTURE(metric.key);
        REQUIRE(golden.expected.contains(metric.key));
        check_optional(metric.value, golden.expected[metric.key]);
        ++compared;
      }
      CHECK(compared == (k < golden.classes ? kMetrics : kMetrics - 1));
    }
  }
}

TEST_CASE("metrics: every class's values equal scikit-learn's") {
  for (const GoldenCase& golden : golden_cases()) {
    CAPTURE(golden.name);
    const ClassificationResult result = scored(golden, 5);
    for (std::size_t c = 0; c < golden.classes; ++c) {
      CAPTURE(c);
      const ClassResult& one = result.classes[c];
      CHECK(one.support == golden.expected["support"][c].get<std::int64_t>());
      check_near(one.precision, golden.expected["class_precision"][c]);
      check_near(one.recall, golden.expected["class_recall"][c]);
      check_near(one.f1, golden.expected["class_f1"][c]);
      check_optional(one.area, golden.expected["class_auroc"][c]);
      check_optional(one.average_precision, golden.expected["class_average_precision"][c]);
    }
    for (const ConfusionCell& cell : result.confusion) {
      const auto& row = golden.expected["confusion"][static_cast<std::size_t>(cell.label)];
      CHECK(cell.count == row[static_cast<std::size_t>(cell.prediction)].get<std::int64_t>());
    }
  }
}

TEST_CASE("metrics: the micro average of one-label classification is the accuracy") {
  ClassCounts counts(3);
  counts.support = {4, 0, 2};
  counts.predicted = {3, 2, 1};
  counts.correct = {3, 0, 1};
  const Averages micro = micro_average(counts);
  CHECK(micro.precision == doctest::Approx(4.0 / 6));
  CHECK(micro.f1 == micro.precision);
  CHECK(micro.recall == accuracy(counts));
}

TEST_CASE("metrics: batches, however cut, give the same bytes, and so does a spool on disk") {
  const GoldenCase golden = golden_cases()[4];
  const ClassificationResult whole = scored(golden, 5, 50);
  for (const std::size_t step : {1, 7, 400}) {
    ClassificationOptions options;
    options.bootstrap.resamples = 50;
    options.spool_memory = step == 7 ? 64 : options.spool_memory;  // bytes: almost every row goes to the file
    options.spool_directory = std::filesystem::temp_directory_path();
    ClassificationScorer scorer(std::vector<std::string>(golden.classes, "x"), options);
    for (std::size_t begin = 0; begin < golden.labels.size(); begin += step) {
      const std::size_t end = std::min(begin + step, golden.labels.size());
      scorer.add(std::span(golden.labels).subspan(begin, end - begin), golden.scores.rows_copy(begin, end));
    }
    ThreadPool pool(3);
    const ClassificationResult result = scorer.result(pool);
    REQUIRE(result.metrics.size() == whole.metrics.size());
    for (std::size_t m = 0; m < whole.metrics.size(); ++m) {
      CAPTURE(whole.metrics[m].key);
      CHECK(result.metrics[m].value == whole.metrics[m].value);
      REQUIRE(result.metrics[m].interval.has_value());
      CHECK(result.metrics[m].interval->low == whole.metrics[m].interval->low);
      CHECK(result.metrics[m].interval->high == whole.metrics[m].interval->high);
    }
  }
}

TEST_CASE("metrics: samples without a label count as samples, and change no metric") {
  const GoldenCase golden = golden_cases()[2];
  std::vector<std::int32_t> labels = golden.labels;
  for (std::size_t i = 0; i < labels.size(); i += 3) labels[i] = -1;
  ClassificationScorer scorer(std::vector<std::string>(golden.classes, "x"), {});
  scorer.add(labels, golden.scores);
  scorer.add({}, golden.scores);
  ThreadPool pool(1);
  const ClassificationResult result = scorer.result(pool);
  CHECK(result.samples == 600);
  CHECK(result.labelled == 200);
  std::int64_t counted = 0;
  for (const ClassResult& one : result.classes) counted += one.support;
  CHECK(counted == 200);
}

TEST_CASE("metrics: without any label there are no metrics, and no division by zero") {
  ClassificationScorer scorer({"a", "b"}, {});
  scorer.add({}, Tensor::of<float>({2, 2}, {0.25F, 0.75F, 1, 0}));
  ThreadPool pool(1);
  const ClassificationResult result = scorer.result(pool);
  CHECK(result.metrics.empty());
  CHECK(result.samples == 2);
  CHECK(result.labelled == 0);
}

TEST_CASE("metrics: with one class only, ranking is undefined and the rest is not") {
  ClassificationScorer scorer({"a", "b"}, {});
  const std::int32_t labels[] = {0, 0};
  scorer.add(labels, Tensor::of<float>({2, 2}, {0.25F, 0.75F, 1, 0}));
  ThreadPool pool(1);
  const ClassificationResult result = scorer.result(pool);
  CHECK(*result.find(Metric::accuracy)->value == 0.5);
  CHECK_FALSE(result.find(Metric::auroc)->value.has_value());
  CHECK_FALSE(result.find(Metric::auroc)->interval.has_value());
  CHECK(result.find(Metric::top_k_accuracy) == nullptr);
}

TEST_CASE("metrics: scores that are not finite are refused with the row and the class") {
  ClassificationScorer scorer({"a", "b"}, {});
  const std::int32_t labels[] = {0, 1};
  const Tensor scores = Tensor::of<float>({2, 2}, {0.5F, 0.5F, 0.5F, std::numeric_limits<float>::quiet_NaN()});
  CHECK_THROWS_WITH_AS(scorer.add(labels, scores), "sample 1: the score of class 1 is nan", Error);
}

TEST_CASE("calibration: a confidence on an edge belongs to the bin below, as in (b/15, (b+1)/15]") {
  CHECK(calibration_bin(0.0F) == 0);
  CHECK(calibration_bin(1.0F) == 14);
  for (std::uint32_t edge = 1; edge < 15; ++edge) {
    CAPTURE(edge);
    const double exact = edge / 15.0;
    const auto rounded = static_cast<float>(exact);
    CHECK(calibration_bin(rounded) == (static_cast<double>(rounded) <= exact ? edge - 1 : edge));
    CHECK(calibration_bin(std::nextafter(rounded, 0.0F)) == edge - 1);
    CHECK(calibration_bin(std::nextafter(rounded, 1.0F)) == edge);
  }
}

TEST_CASE("roc curve: corners rise from (0, 0) to (1, 1), and the area under them is the area") {
  for (const GoldenCase& golden : golden_cases()) {
    CAPTURE(golden.name);
    const ClassificationResult result = scored(golden, 5);
    for (const ClassResult& one : result.classes) {
      if (!one.area) {
        CHECK(one.curve.empty());
        continue;
      }
      REQUIRE(one.curve.size() >= 2);
      CHECK(one.curve.front() == RocPoint{0, 0});
      CHECK(one.curve.back() == RocPoint{1, 1});
      double area = 0;
      for (std::size_t i = 1; i < one.curve.size(); ++i) {
        const RocPoint &a = one.curve[i - 1], &b = one.curve[i];
        CHECK(b.false_positive_rate >= a.false_positive_rate);
        CHECK(b.true_positive_rate >= a.true_positive_rate);
        area += (b.false_positive_rate - a.false_positive_rate) * (a.true_positive_rate + b.true_positive_rate) / 2;
      }
      if (one.curve.size() < 200) CHECK(area == doctest::Approx(*one.area));
    }
  }
}
