// Sums over weighted outcomes: one walk gives every metric that is not about ranking. The same code makes the values
// and their bootstrap resamples.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "evaluate/confusion.h"
#include "evaluate/outcome.h"

namespace mt {

// In the order of reports. The names (name_of) are the keys of --json and never change their meaning.
enum class Metric : std::uint8_t {
  accuracy,
  top_k_accuracy,  // the true class is among the k first; ties as in Outcome::rank
  balanced_accuracy,
  macro_precision,
  macro_recall,
  macro_f1,
  weighted_precision,
  weighted_recall,
  weighted_f1,
  log_loss,           // natural logarithm; clipping as in Outcome::loss
  brier_score,        // mean squared error of the scores, summed over the classes; of two classes, half of it
  calibration_error,  // 15 equal-width bins: sum over bins of share * |accuracy - mean confidence|
  auroc,  // two classes: of the second; more: the mean over the classes where it is defined, one against rest
  average_precision,  // likewise
};
inline constexpr std::size_t kMetrics = 14, kTallyMetrics = 12;  // the last two need all scores: one_vs_rest.h
std::string_view name_of(Metric metric);

using MetricValues = std::array<double, kMetrics>;

struct CalibrationBin {
  std::int64_t samples = 0, correct = 0;
  double confidence = 0;  // sum
};

class Tally {
 public:
  Tally(std::size_t classes, std::size_t top_k) : counts_(classes), top_k_(top_k) {}

  void clear();
  void add(const Outcome& outcome, std::uint32_t weight = 1);

  const ClassCounts& counts() const { return counts_; }
  const std::array<CalibrationBin, kCalibrationBins>& bins() const { return bins_; }
  // The first kTallyMetrics values; the others are 0.
  MetricValues values() const;

 private:
  ClassCounts counts_;
  std::array<CalibrationBin, kCalibrationBins> bins_{};
  std::size_t top_k_;
  std::int64_t samples_ = 0, hits_ = 0;
  double loss_ = 0, squares_ = 0;
};

}  // namespace mt
