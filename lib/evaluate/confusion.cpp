#include "evaluate/confusion.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/csv.h"

namespace mt {

namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::int64_t ClassCounts::samples() const { return std::accumulate(support.begin(), support.end(), std::int64_t{0}); }
double ClassCounts::precision(std::size_t c) const { return ratio(correct[c], predicted[c]); }
double ClassCounts::recall(std::size_t c) const { return ratio(correct[c], support[c]); }
double ClassCounts::f1(std::size_t c) const { return ratio(2 * correct[c], support[c] + predicted[c]); }

double accuracy(const ClassCounts& counts) {
  return ratio(std::accumulate(counts.correct.begin(), counts.correct.end(), std::int64_t{0}), counts.samples());
}

double balanced_accuracy(const ClassCounts& counts) {
  double sum = 0;
  std::int64_t present = 0;
  for (std::size_t c = 0; c < counts.classes(); ++c) {
    if (counts.support[c] == 0) continue;
    sum += counts.recall(c);
    ++present;
  }
  return present == 0 ? 0.0 : sum / static_cast<double>(present);
}

Averages macro_average(const ClassCounts& counts) {
  Averages sum;
  std::int64_t present = 0;
  for (std::size_t c = 0; c < counts.classes(); ++c) {
    if (counts.support[c] + counts.predicted[c] == 0) continue;
    sum.precision += counts.precision(c);
    sum.recall += counts.recall(c);
    sum.f1 += counts.f1(c);
    ++present;
  }
  if (present == 0) return {};
  const auto n = static_cast<double>(present);
  return {sum.precision / n, sum.recall / n, sum.f1 / n};
}

Averages weighted_average(const ClassCounts& counts) {
  Averages sum;
  for (std::size_t c = 0; c < counts.classes(); ++c) {
    const auto weight = static_cast<double>(counts.support[c]);
    sum.precision += weight * counts.precision(c);
    sum.recall += weight * counts.recall(c);
    sum.f1 += weight * counts.f1(c);
  }
  const auto n = static_cast<double>(counts.samples());
  return n == 0 ? Averages{} : Averages{sum.precision / n, sum.recall / n, sum.f1 / n};
}

Averages micro_average(const ClassCounts& counts) {
  const double value = accuracy(counts);
  return {value, value, value};
}

std::vector<ConfusionCell> confusion_cells(std::span<const Outcome> outcomes) {
  std::vector<ConfusionCell> cells;
  cells.reserve(outcomes.size());
  for (const Outcome& outcome : outcomes) cells.push_back({outcome.label, outcome.prediction, 1});
  std::sort(cells.begin(), cells.end(), [](const ConfusionCell& a, const ConfusionCell& b) {
    return std::tie(a.label, a.prediction) < std::tie(b.label, b.prediction);
  });
  std::size_t kept = 0;
  for (const ConfusionCell& cell : cells) {
    if (kept > 0 && cells[kept - 1].label == cell.label && cells[kept - 1].prediction == cell.prediction) {
      ++cells[kept - 1].count;
    } else {
      cells[kept++] = cell;
    }
  }
  cells.resize(kept);
  return cells;
}

std::string confusion_csv(std::span<const ConfusionCell> cells, const std::vector<std::string>& classes) {
  std::string csv = "label";
  for (const std::string& name : classes) csv += "," + csv_field(name);
  csv += "\r\n";
  std::size_t next = 0;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    csv += csv_field(classes[label]);
    for (std::size_t prediction = 0; prediction < classes.size(); ++prediction) {
      std::int64_t count = 0;
      if (next < cells.size() && static_cast<std::size_t>(cells[next].label) == label &&
          static_cast<std::size_t>(cells[next].prediction) == prediction) {
        count = cells[next++].count;
      }
      csv += "," + std::to_string(count);
    }
    csv += "\r\n";
  }
  return csv;
}

}  // namespace mt
