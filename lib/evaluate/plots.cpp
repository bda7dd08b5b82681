#include "evaluate/plots.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

#include "base/text.h"
#include "evaluate/svg.h"

namespace mt {

namespace {

using Out = std::back_insert_iterator<std::string>;

// At most length characters, cut with an ellipsis.
std::string shortened(std::string_view name, std::size_t length) {
  std::string out;
  std::size_t characters = 0;
  const std::string safe = printable(name);
  for (std::size_t i = 0; i < safe.size(); ++i) {
    const bool starts = (static_cast<unsigned char>(safe[i]) & 0xC0) != 0x80;
    if (starts && ++characters > length) return out + "\u2026";
    out += safe[i];
  }
  return out;
}

// Axes of a unit square with side pixels at (left, top), ticks at every fifth.
void unit_axes(std::string& svg, double left, double top, double side, std::string_view x_title,
               std::string_view y_title) {
  Out out(svg);
  fmt::format_to(out, "<rect class=\"axis\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n", left,
                 top, side, side);
  fmt::format_to(out, "<path class=\"axis\" stroke-dasharray=\"4 3\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", left,
                 top + side, left + side, top);
  for (int i = 0; i <= 5; ++i) {
    const double at = side * i / 5;
    fmt::format_to(out, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.1f}</text>", left + at,
                   top + side + 16, i / 5.0);
    fmt::format_to(out, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.1f}</text>\n", left - 6,
                   top + side - at + 4, i / 5.0);
  }
  fmt::format_to(out, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>", left + side / 2,
                 top + side + 34, x_title);
  fmt::format_to(out, "<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                 left - 34, top + side / 2, y_title);
}

constexpr double kLeft = 48, kTop = 12, kSide = 320;

}  // namespace

std::string confusion_svg(std::span<const ConfusionCell> cells, const std::vector<std::string>& classes) {
  const std::size_t n = classes.size();
  const double side = std::clamp(640.0 / static_cast<double>(std::max<std::size_t>(n, 1)), 2.0, 40.0);
  const bool named = n <= 60, counted = n <= 24;
  const double margin = named ? 150 : 24;
  const double extent = side * static_cast<double>(n);
  std::vector<std::int64_t> support(n);
  for (const ConfusionCell& cell : cells) support[static_cast<std::size_t>(cell.label)] += cell.count;

  std::string svg = svg_opened(margin + extent + 16, margin + extent + 16, "Confusion matrix");
  Out out(svg);
  fmt::format_to(out, "<rect class=\"axis\" x=\"{0:.1f}\" y=\"{0:.1f}\" width=\"{1:.1f}\" height=\"{1:.1f}\"/>\n",
                 margin, extent);
  for (const ConfusionCell& cell : cells) {
    const auto row = static_cast<std::size_t>(cell.label), column = static_cast<std::size_t>(cell.prediction);
    const double share = static_cast<double>(cell.count) / static_cast<double>(support[row]);
    const double x = margin + side * static_cast<double>(column), y = margin + side * static_cast<double>(row);
    fmt::format_to(
        out,
        "<g><title>{} \u2192 {}: {} ({:.1f} %)</title><rect class=\"data\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" "
        "height=\"{:.2f}\" fill-opacity=\"{:.3f}\"/>",
        markup_escaped(classes[row]), markup_escaped(classes[column]), cell.count, 100 * share, x, y, side, side,
        0.06 + 0.94 * share);
    if (counted) {
      fmt::format_to(out, "<text{} x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" font-size=\"{}\">{}</text>",
                     share > 0.5 ? " class=\"on\"" : "", x + side / 2, y + side / 2 + 4, cell.count > 9999 ? 8 : 11,
                     cell.count);
    }
    svg += "</g>\n";
  }
  for (std::size_t c = 0; named && c < n; ++c) {
    const double middle = margin + side * (static_cast<double>(c) + 0.5);
    const std::string name = markup_escaped(shortened(classes[c], 20));
    fmt::format_to(out, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", margin - 6, middle + 4, name);
    fmt::format_to(out, "<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\">{}</text>\n", middle + 4, margin - 6,
                   name);
  }
  fmt::format_to(out, "<text x=\"4\" y=\"16\">rows: true, columns: predicted</text>\n</svg>\n");
  return svg;
}

std::string reliability_svg(const ClassificationResult& result) {
  std::string svg = svg_opened(kLeft + kSide + 16, kTop + kSide + 46, "Reliability diagram");
  Out out(svg);
  std::int64_t most = 1;
  for (const CalibrationBin& bin : result.bins) most = std::max(most, bin.samples);
  constexpr double kWidth = kSide / kCalibrationBins;
  for (std::size_t b = 0; b < result.bins.size(); ++b) {
    const CalibrationBin& bin = result.bins[b];
    if (bin.samples == 0) continue;
    const auto n = static_cast<double>(bin.samples);
    const double accuracy = static_cast<double>(bin.correct) / n;
    const double width = std::max(1.5, kWidth * n / static_cast<double>(most));
    fmt::format_to(
        out,
        "<g><title>confidence {:.3f}, accuracy {:.3f}, {} samples</title><rect class=\"data\" fill-opacity=\"0.75\" "
        "x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\"/></g>\n",
        bin.confidence / n, accuracy, bin.samples, kLeft + kWidth * (static_cast<double>(b) + 0.5) - width / 2,
        kTop + kSide * (1 - accuracy), width, kSide * accuracy);
  }
  unit_axes(svg, kLeft, kTop, kSide, "confidence", "accuracy");
  return svg + "</svg>\n";
}

std::string roc_svg(const ClassificationResult& result) {
  std::vector<std::size_t> shown;
  for (std::size_t c = result.classes.size() == 2 ? 1 : 0; c < result.classes.size(); ++c) {
    if (result.classes[c].area) shown.push_back(c);
  }
  std::stable_sort(shown.begin(), shown.end(),
                   [&](std::size_t a, std::size_t b) { return *result.classes[a].area < *result.classes[b].area; });
  if (shown.size() > kCurveColours.size()) shown.resize(kCurveColours.size());

  std::string svg = svg_opened(kLeft + kSide + 230, kTop + kSide + 46, "ROC curves");
  Out out(svg);
  unit_axes(svg, kLeft, kTop, kSide, "false positive rate", "true positive rate");
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const ClassResult& one = result.classes[shown[i]];
    fmt::format_to(out, "<polyline class=\"curve\" stroke=\"{}\" points=\"", kCurveColours[i]);
    for (const RocPoint& point : one.curve) {
      fmt::format_to(out, "{:.2f},{:.2f} ", kLeft + kSide * point.false_positive_rate,
                     kTop + kSide * (1 - point.true_positive_rate));
    }
    svg += "\"/>\n";
    const double y = kTop + 12 + 20 * static_cast<double>(i);
    fmt::format_to(out, "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"12\" height=\"4\" fill=\"{}\"/>", kLeft + kSide + 14,
                   y - 6, kCurveColours[i]);
    fmt::format_to(out, "<text x=\"{:.1f}\" y=\"{:.1f}\">{} {:.4f}</text>\n", kLeft + kSide + 32, y,
                   markup_escaped(shortened(one.name, 20)), *one.area);
  }
  return svg + "</svg>\n";
}

}  // namespace mt
