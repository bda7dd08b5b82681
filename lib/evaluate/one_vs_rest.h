// Area under the ROC curve and average precision of every class against the rest, exactly, in memory that does not
// depend on the number of classes.
//
// Precision and recall change only at the scores of a class's own samples, and of every other sample only its place
// among these scores matters. So the own scores (one a sample) are sorted once, and a second pass over all scores
// counts where the others fall: 16 bytes a sample instead of 4 bytes a sample and class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "evaluate/outcome.h"

namespace mt {

struct RocPoint {
  double false_positive_rate = 0, true_positive_rate = 0;
  bool operator==(const RocPoint&) const = default;
};

class OneVsRest {
 public:
  // outcomes: of all labelled samples; their label and score are read. classes: how many scores a sample has.
  OneVsRest(std::span<const Outcome> outcomes, std::size_t classes);

  // Every sample once, in any order. scores: [classes].
  void add(std::int32_t label, std::span<const float> scores);

  // After all samples were added. nullopt where the class, or its rest, has no sample. Ties count half in the area; in
  // average precision equal scores are one threshold: both as scikit-learn's roc_auc_score and average_precision_score.
  std::optional<double> area(std::size_t c) const;
  std::optional<double> average_precision(std::size_t c) const;

  // Corners of the curve from (0, 0) to (1, 1); empty where the area is undefined.
  std::vector<RocPoint> curve(std::size_t c) const;

 private:
  // Thresholds of class c are [begin_[c], begin_[c + 1]), ascending distinct scores.
  struct Threshold {
    float score = 0;
    std::uint32_t own = 0;    // samples of the class with this score
    std::uint32_t equal = 0;  // others with this score
    std::uint32_t below = 0;  // others between the threshold before and this one
  };
  std::int64_t negatives(std::size_t c) const { return static_cast<std::int64_t>(samples_) - positives_[c]; }

  std::size_t samples_;
  std::vector<std::size_t> begin_;  // [classes + 1]
  std::vector<Threshold> thresholds_;
  std::vector<std::int64_t> positives_, above_;  // [classes]; above_: others above the last threshold
};

}  // namespace mt
