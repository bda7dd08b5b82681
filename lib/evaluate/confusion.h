// Counts of a one-label classification, and what follows from them. The definitions are scikit-learn's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "evaluate/outcome.h"

namespace mt {

// Zero division gives 0, as scikit-learn's zero_division=0: the precision of a class that was never predicted, the
// recall of a class that never occurs, and the F1 of a class that does neither.
struct ClassCounts {
  explicit ClassCounts(std::size_t classes = 0) : support(classes), predicted(classes), correct(classes) {}

  std::vector<std::int64_t> support, predicted, correct;  // [classes]

  std::size_t classes() const { return support.size(); }
  std::int64_t samples() const;
  double precision(std::size_t c) const;
  double recall(std::size_t c) const;
  double f1(std::size_t c) const;
};

struct Averages {
  double precision = 0, recall = 0, f1 = 0;
};

double accuracy(const ClassCounts& counts);
// The mean recall of the classes that occur among the labels.
double balanced_accuracy(const ClassCounts& counts);
// The plain mean over the classes that occur among the labels or the predictions (scikit-learn without labels=).
Averages macro_average(const ClassCounts& counts);
// The mean weighted by the support.
Averages weighted_average(const ClassCounts& counts);
// Over all decisions at once. With one label a sample all three are the accuracy.
Averages micro_average(const ClassCounts& counts);

// The confusion matrix, without its zeros.
struct ConfusionCell {
  std::int32_t label = 0, prediction = 0;
  std::int64_t count = 0;
  bool operator==(const ConfusionCell&) const = default;
};
// Sorted by label, then prediction.
std::vector<ConfusionCell> confusion_cells(std::span<const Outcome> outcomes);

// RFC 4180: a first row "label" and the predicted classes' names, then a row of counts for each true class.
std::string confusion_csv(std::span<const ConfusionCell> cells, const std::vector<std::string>& classes);

}  // namespace mt
