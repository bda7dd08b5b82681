#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "base/text.h"
#include "evaluate/report.h"

namespace mt {

namespace {

// Columns on a terminal, near enough: one for each code point.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(std::string text, std::size_t columns) {
  const std::size_t used = columns_of(text);
  if (used < columns) text.append(columns - used, ' ');
  return text;
}

std::string number(const std::optional<double>& value) { return value ? fmt::format("{:.4f}", *value) : "-"; }

std::string metric_table(const ClassificationResult& result) {
  std::string out;
  for (const MetricResult& metric : result.metrics) {
    std::string name = metric.key;
    std::replace(name.begin(), name.end(), '_', ' ');
    out += fmt::format("{:<20}{:>9}", name, number(metric.value));
    if (metric.interval) out += fmt::format("  [{:.4f}, {:.4f}]", metric.interval->low, metric.interval->high);
    out += '\n';
  }
  return out;
}

std::string class_table(const ClassificationResult& result, std::size_t max_classes) {
  std::vector<std::size_t> shown(result.classes.size());
  std::iota(shown.begin(), shown.end(), std::size_t{0});
  const bool cut = shown.size() > max_classes;
  if (cut) {
    std::stable_sort(shown.begin(), shown.end(),
                     [&](std::size_t a, std::size_t b) { return result.classes[a].f1 < result.classes[b].f1; });
    shown.resize(max_classes);
  }
  std::size_t width = 5;
  for (const std::size_t c : shown) width = std::max(width, columns_of(printable(result.classes[c].name)));
  std::string out = padded("class", width) +
                    fmt::format("{:>9}{:>11}{:>9}{:>9}{:>9}\n", "support", "precision", "recall", "f1", "auroc");
  for (const std::size_t c : shown) {
    const ClassResult& one = result.classes[c];
    out += padded(printable(one.name), width);
    out += fmt::format("{:>9}{:>11.4f}{:>9.4f}{:>9.4f}{:>9}\n", one.support, one.precision, one.recall, one.f1,
                       number(one.area));
  }
  if (cut)
    out += fmt::format("({} of {} classes, lowest f1 first; --json has all)\n", max_classes, result.classes.size());
  return out;
}

}  // namespace

std::string text_report(const ClassificationResult& result, std::size_t max_classes) {
  std::string out =
      fmt::format("{} samples, {} labelled, {} classes\n", result.samples, result.labelled, result.classes.size());
  if (result.labelled == 0) return out;
  out += "\n" + metric_table(result) + "\n" + class_table(result, max_classes);
  if (result.bootstrap.resamples > 0) {
    out += fmt::format("\n[low, high]: {:g} % intervals of {} bootstrap resamples, seed {}\n",
                       100 * result.bootstrap.confidence, result.bootstrap.resamples, result.bootstrap.seed);
  }
  return out;
}

}  // namespace mt
