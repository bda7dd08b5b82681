// Scores a stream of class probabilities against the labels. Keeps 32 bytes a sample (Outcome) and 16 more at the end
// (OneVsRest), whatever the number of classes; the scores themselves wait in a spool (ScoreSpool).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "base/threads.h"
#include "evaluate/bootstrap.h"
#include "evaluate/confusion.h"
#include "evaluate/one_vs_rest.h"
#include "evaluate/score_spool.h"
#include "evaluate/tally.h"

namespace mt {

struct ClassificationOptions {
  std::size_t top_k = 5;
  BootstrapOptions bootstrap;
  std::filesystem::path spool_directory = ".";
  std::size_t spool_memory = std::size_t{256} << 20;  // bytes
  // Intervals of auroc and average_precision are made up to this many scores (samples x classes): they need all of them
  // in memory and in every resample.
  std::size_t ranking_interval_limit = 4'000'000;
};

struct MetricResult {
  Metric metric = Metric::accuracy;
  std::string key;              // "accuracy", "top_5_accuracy"
  std::optional<double> value;  // nullopt: undefined for these samples
  std::optional<Interval> interval;
};

struct ClassResult {
  std::string name;
  std::int64_t support = 0, predicted = 0, correct = 0;
  double precision = 0, recall = 0, f1 = 0;
  std::optional<double> area, average_precision;
  std::vector<RocPoint> curve;  // at most 200 corners
};

struct ClassificationResult {
  std::int64_t samples = 0, labelled = 0;
  std::size_t top_k = 0;
  BootstrapOptions bootstrap;
  std::vector<MetricResult> metrics;  // in the order of Metric; top-k only when there are more than k classes
  std::vector<ClassResult> classes;
  std::array<CalibrationBin, kCalibrationBins> bins{};
  std::vector<ConfusionCell> confusion;

  const MetricResult* find(Metric metric) const;
};

class ClassificationScorer {
 public:
  ClassificationScorer(std::vector<std::string> classes, ClassificationOptions options);

  // labels: [n] numbers of classes, -1 unknown; empty: none is known. scores: [n, classes] f32, probabilities. Throws
  // Error naming the row ("sample 3") whose scores are not finite.
  void add(std::span<const std::int32_t> labels, const Tensor& scores);

  std::int64_t samples() const { return samples_; }
  std::int64_t labelled() const { return static_cast<std::int64_t>(outcomes_.size()); }

  // Once, at the end.
  ClassificationResult result(ThreadPool& pool);

 private:
  std::vector<std::string> classes_;
  ClassificationOptions options_;
  ScoreSpool spool_;
  std::vector<Outcome> outcomes_;
  std::int64_t samples_ = 0;
};

}  // namespace mt
