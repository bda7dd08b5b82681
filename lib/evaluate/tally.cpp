#include "evaluate/tally.h"

#include <algorithm>
#include <cmath>

namespace mt {

namespace {

constexpr std::array<std::string_view, kMetrics> kNames = {
    "accuracy",     "top_k_accuracy",   "balanced_accuracy",  "macro_precision",
    "macro_recall", "macro_f1",         "weighted_precision", "weighted_recall",
    "weighted_f1",  "log_loss",         "brier_score",        "calibration_error",
    "auroc",        "average_precision"};

}  // namespace

std::string_view name_of(Metric metric) { return kNames[static_cast<std::size_t>(metric)]; }

void Tally::clear() {
  std::fill(counts_.support.begin(), counts_.support.end(), 0);
  std::fill(counts_.predicted.begin(), counts_.predicted.end(), 0);
  std::fill(counts_.correct.begin(), counts_.correct.end(), 0);
  bins_ = {};
  samples_ = hits_ = 0;
  loss_ = squares_ = 0;
}

void Tally::add(const Outcome& outcome, std::uint32_t weight) {
  const auto times = static_cast<double>(weight);
  const bool correct = outcome.correct();
  samples_ += weight;
  counts_.support[static_cast<std::size_t>(outcome.label)] += weight;
  counts_.predicted[static_cast<std::size_t>(outcome.prediction)] += weight;
  if (correct) counts_.correct[static_cast<std::size_t>(outcome.label)] += weight;
  if (static_cast<std::size_t>(outcome.rank) < top_k_) hits_ += weight;
  loss_ += times * static_cast<double>(outcome.loss);
  squares_ += times * static_cast<double>(outcome.squared_error);
  CalibrationBin& bin = bins_[outcome.bin];
  bin.samples += weight;
  if (correct) bin.correct += weight;
  bin.confidence += times * static_cast<double>(outcome.confidence);
}

MetricValues Tally::values() const {
  MetricValues values{};
  const auto set = [&](Metric metric, double value) { values[static_cast<std::size_t>(metric)] = value; };
  const double n = static_cast<double>(std::max<std::int64_t>(samples_, 1));
  const Averages macro = macro_average(counts_), weighted = weighted_average(counts_);
  set(Metric::accuracy, accuracy(counts_));
  set(Metric::top_k_accuracy, static_cast<double>(hits_) / n);
  set(Metric::balanced_accuracy, balanced_accuracy(counts_));
  set(Metric::macro_precision, macro.precision);
  set(Metric::macro_recall, macro.recall);
  set(Metric::macro_f1, macro.f1);
  set(Metric::weighted_precision, weighted.precision);
  set(Metric::weighted_recall, weighted.recall);
  set(Metric::weighted_f1, weighted.f1);
  set(Metric::log_loss, loss_ / n);
  set(Metric::brier_score, squares_ / n * (counts_.classes() == 2 ? 0.5 : 1.0));
  double error = 0;
  for (const CalibrationBin& bin : bins_) error += std::abs(static_cast<double>(bin.correct) - bin.confidence);
  set(Metric::calibration_error, error / n);
  return values;
}

}  // namespace mt
