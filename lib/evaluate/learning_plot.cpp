#include "evaluate/learning_plot.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "evaluate/svg.h"

namespace mt {

namespace {

constexpr double kWidth = 420, kHeight = 280, kLeft = 64, kTop = 44, kBetween = 76, kRight = 20, kBottom = 48;
constexpr std::size_t kDotted = 60;  // of more points no dots are drawn
constexpr double kLogarithmic = 30;  // a greater factor between the least and the greatest value

// A scale of numbers along an axis of some pixels, with ticks at round numbers.
class Scale {
 public:
  Scale(double least, double most, bool logarithmic) : least_(least), most_(most), logarithmic_(logarithmic) {
    if (logarithmic_) {
      for (double decade = std::pow(10, std::floor(std::log10(least_))); decade <= most_; decade *= 10) {
        for (const double digit : {1, 2, 5}) take(digit * decade);
      }
      if (ticks_.size() > 8) std::erase_if(ticks_, [](double tick) { return !is_power_of_ten(tick); });
      return;
    }
    if (!(most_ > least_)) most_ = least_ + 1;
    const double rough = (most_ - least_) / 5, decade = std::pow(10, std::floor(std::log10(rough)));
    double step = 10 * decade;
    for (const double digit : {5, 2, 1}) step = digit * decade >= rough ? digit * decade : step;
    for (double i = std::ceil(least_ / step); i * step <= most_ + step * 1e-9; ++i) take(i * step);
  }

  const std::vector<double>& ticks() const { return ticks_; }
  // From 0 to 1.
  double place(double value) const {
    const double share =
        logarithmic_ ? std::log(value / least_) / std::log(most_ / least_) : (value - least_) / (most_ - least_);
    return std::clamp(share, 0.0, 1.0);
  }

 private:
  static bool is_power_of_ten(double value) {
    const double exponent = std::log10(value);
    return std::abs(exponent - std::round(exponent)) < 1e-9;
  }
  void take(double value) {
    if (value >= least_ * (1 - 1e-9) && value <= most_ * (1 + 1e-9)) ticks_.push_back(value);
  }

  double least_, most_;
  bool logarithmic_;
  std::vector<double> ticks_;
};

using Points = std::vector<LearningCurve::Point>;
using ValueOf = std::function<double(const LearningCurve::Point&)>;

// One of the pictures side by side.
class Panel {
 public:
  Panel(std::string& svg, double left, const Scale& x, const Scale& y) : out_(svg), left_(left), x_(x), y_(y) {}

  void axes(std::string_view title) {
    for (const double tick : y_.ticks()) {
      fmt::format_to(out_, "<path class=\"grid\" d=\"M{:.1f} {:.1f}h{:.0f}\"/>", left_, down(tick), kWidth);
      fmt::format_to(out_, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.4g}</text>\n", left_ - 8,
                     down(tick) + 4, tick);
    }
    for (const double tick : x_.ticks()) {
      fmt::format_to(out_, "<path class=\"axis\" d=\"M{:.1f} {:.1f}v4\"/>", across(tick), kTop + kHeight);
      fmt::format_to(out_, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.6g}</text>\n", across(tick),
                     kTop + kHeight + 18, tick);
    }
    fmt::format_to(out_, "<rect class=\"axis\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.0f}\" height=\"{:.0f}\"/>\n", left_,
                   kTop, kWidth, kHeight);
    fmt::format_to(out_, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">step</text>", left_ + kWidth / 2,
                   kTop + kHeight + 38);
    fmt::format_to(out_, "<text x=\"{:.1f}\" y=\"{:.1f}\" font-weight=\"bold\">{}</text>\n", left_, kTop - 12, title);
  }

  void mark(double step) {
    fmt::format_to(out_,
                   "<g><title>kept: step {:.0f}</title><path class=\"axis\" stroke-dasharray=\"2 3\" d=\"M{:.1f} "
                   "{:.1f}v{:.0f}\"/></g>\n",
                   step, across(step), kTop, kHeight);
  }

  void line(const Points& points, const ValueOf& value_of, std::string_view colour, bool dots) {
    if (points.empty()) return;
    fmt::format_to(out_, "<polyline class=\"curve\" stroke=\"{}\" points=\"", colour);
    for (const LearningCurve::Point& point : points)
      fmt::format_to(out_, "{:.1f},{:.1f} ", across(point.step), down(value_of(point)));
    fmt::format_to(out_, "\"/>\n");
    if (!dots || points.size() > kDotted) return;
    for (const LearningCurve::Point& point : points) {
      fmt::format_to(out_,
                     "<g><title>step {:.0f}: {:.4g}</title><circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" "
                     "fill=\"{}\"/></g>\n",
                     point.step, value_of(point), across(point.step), down(value_of(point)), colour);
    }
  }

  void legend(double from_right, std::string_view name, std::string_view colour) {
    const double x = left_ + kWidth - from_right;
    fmt::format_to(out_, "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"16\" height=\"3\" fill=\"{}\"/>", x, kTop - 17,
                   colour);
    fmt::format_to(out_, "<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x + 22, kTop - 12, name);
  }

 private:
  double across(double step) const { return left_ + kWidth * x_.place(step); }
  double down(double value) const { return kTop + kHeight * (1 - y_.place(value)); }

  std::back_insert_iterator<std::string> out_;
  double left_;
  const Scale &x_, &y_;
};

// Of the loss: a little space around all points.
Scale loss_scale(const Points& training, const Points& validation) {
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (const Points* points : {&training, &validation}) {
    for (const LearningCurve::Point& point : *points) {
      least = std::min(least, point.loss);
      most = std::max(most, point.loss);
    }
  }
  if (!std::isfinite(least)) least = 0;
  if (least > 0 && most > kLogarithmic * least) return {least / 1.1, most * 1.1, true};
  const double margin = most > least ? 0.05 * (most - least) : std::max(0.05 * most, 1e-3);
  return {std::max(0.0, least - margin), most + margin, false};
}

}  // namespace

std::string learning_svg(const LearningCurve& curve) {
  const Points training = curve.training(), validation = curve.validation();
  const auto scored = [](const Points& points) {
    return std::ranges::any_of(points, [](const auto& point) { return point.accuracy.has_value(); });
  };
  const bool accuracies = scored(training) || scored(validation);
  double last = 1;
  for (const Points* points : {&training, &validation}) {
    if (!points->empty()) last = std::max(last, points->back().step);
  }
  const Scale x(0, last, false);
  const double width = kLeft + kWidth + kRight + (accuracies ? kBetween + kWidth : 0);
  std::string svg = svg_opened(width, kTop + kHeight + kBottom, "Loss and accuracy while training");

  const auto draw = [&](double left, std::string_view title, const Scale& y, const ValueOf& value_of) {
    Panel panel(svg, left, x, y);
    panel.axes(title);
    if (curve.kept()) panel.mark(static_cast<double>(*curve.kept()));
    panel.line(training, value_of, kCurveColours[5], false);
    panel.line(validation, value_of, kCurveColours[1], true);
    panel.legend(validation.empty() ? 76 : 180, "training", kCurveColours[5]);
    if (!validation.empty()) panel.legend(92, "validation", kCurveColours[1]);
  };
  draw(kLeft, "loss", loss_scale(training, validation), [](const auto& point) { return point.loss; });
  if (accuracies) {
    draw(kLeft + kWidth + kBetween, "accuracy", Scale(0, 1, false),
         [](const auto& point) { return point.accuracy.value_or(0); });
  }
  return svg + "</svg>\n";
}

}  // namespace mt
