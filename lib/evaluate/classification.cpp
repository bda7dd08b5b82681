#include "evaluate/classification.h"

#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"

namespace mt {

namespace {

constexpr std::size_t kCurvePoints = 200;

// Evenly chosen corners, first and last included: a picture has no more pixels.
std::vector<RocPoint> thinned(std::vector<RocPoint> curve) {
  if (curve.size() <= kCurvePoints) return curve;
  std::vector<RocPoint> points;
  for (std::size_t i = 0; i < kCurvePoints; ++i) points.push_back(curve[i * (curve.size() - 1) / (kCurvePoints - 1)]);
  return points;
}

std::optional<double> mean_of(const std::vector<ClassResult>& classes, std::optional<double> ClassResult::*member) {
  if (classes.size() == 2) return classes[1].*member;
  double sum = 0;
  std::size_t defined = 0;
  for (const ClassResult& one : classes) {
    if (!(one.*member)) continue;
    sum += *(one.*member);
    ++defined;
  }
  return defined == 0 ? std::nullopt : std::optional(sum / static_cast<double>(defined));
}

std::vector<ClassResult> class_results(const std::vector<std::string>& names, const ClassCounts& counts,
                                       const OneVsRest& ranking) {
  std::vector<ClassResult> results;
  for (std::size_t c = 0; c < names.size(); ++c) {
    ClassResult one{names[c],
                    counts.support[c],
                    counts.predicted[c],
                    counts.correct[c],
                    counts.precision(c),
                    counts.recall(c),
                    counts.f1(c),
                    ranking.area(c),
                    ranking.average_precision(c),
                    thinned(ranking.curve(c))};
    results.push_back(std::move(one));
  }
  return results;
}

}  // namespace

const MetricResult* ClassificationResult::find(Metric metric) const {
  for (const MetricResult& result : metrics) {
    if (result.metric == metric) return &result;
  }
  return nullptr;
}

ClassificationScorer::ClassificationScorer(std::vector<std::string> classes, ClassificationOptions options)
    : classes_(std::move(classes)),
      options_(std::move(options)),
      spool_(classes_.size(), options_.spool_directory, options_.spool_memory) {
  if (classes_.empty()) throw std::logic_error("ClassificationScorer: no classes");
}

void ClassificationScorer::add(std::span<const std::int32_t> labels, const Tensor& scores) {
  if (scores.rows() > 0 && scores.columns() != classes_.size()) {
    throw std::logic_error(
        fmt::format("ClassificationScorer: {} columns, {} classes", scores.columns(), classes_.size()));
  }
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    if (labels.empty() || labels[i] < 0) continue;
    const std::span<const float> row = scores.row<float>(i);
    try {
      outcomes_.push_back(outcome_of(row, labels[i]));
    } catch (const Error& error) {
      throw error.within(fmt::format("sample {}", i));
    }
    spool_.add(row);
  }
  samples_ += static_cast<std::int64_t>(scores.rows());
}

ClassificationResult ClassificationScorer::result(ThreadPool& pool) {
  ClassificationResult result;
  result.samples = samples_;
  result.labelled = labelled();
  result.top_k = options_.top_k;
  result.bootstrap = options_.bootstrap;

  Tally tally(classes_.size(), options_.top_k);
  for (const Outcome& outcome : outcomes_) tally.add(outcome);
  result.bins = tally.bins();
  result.confusion = confusion_cells(outcomes_);

  OneVsRest ranking(outcomes_, classes_.size());
  const bool keep_scores =
      options_.bootstrap.resamples > 0 && spool_.rows() <= options_.ranking_interval_limit / classes_.size();
  std::vector<float> scores;
  if (keep_scores) scores.reserve(spool_.rows() * classes_.size());
  spool_.for_each([&](std::size_t i, std::span<const float> row) {
    if (i % 4096 == 0) throw_if_interrupted();
    ranking.add(outcomes_[i].label, row);
    if (keep_scores) scores.insert(scores.end(), row.begin(), row.end());
  });
  result.classes = class_results(classes_, tally.counts(), ranking);
  if (outcomes_.empty()) return result;

  MetricValues values = tally.values();
  const std::optional<double> area = mean_of(result.classes, &ClassResult::area);
  const std::optional<double> precision = mean_of(result.classes, &ClassResult::average_precision);
  const std::optional<RankingScores> kept =
      keep_scores ? std::optional(RankingScores{scores, classes_.size()}) : std::nullopt;
  const std::vector<Interval> intervals =
      bootstrap(outcomes_, classes_.size(), options_.top_k, kept, options_.bootstrap, pool);
  for (std::size_t m = 0; m < kMetrics; ++m) {
    const auto metric = static_cast<Metric>(m);
    if (metric == Metric::top_k_accuracy && options_.top_k >= classes_.size()) continue;
    MetricResult one{metric, std::string(name_of(metric)), values[m], std::nullopt};
    if (metric == Metric::top_k_accuracy) one.key = fmt::format("top_{}_accuracy", options_.top_k);
    if (metric == Metric::auroc) one.value = area;
    if (metric == Metric::average_precision) one.value = precision;
    if (one.value && m < intervals.size() && !std::isnan(intervals[m].low)) one.interval = intervals[m];
    result.metrics.push_back(std::move(one));
  }
  return result;
}

}  // namespace mt
