#include "evaluate/learning_plot.h"

#include <cmath>
#include <string>

#include <doctest/doctest.h>

using namespace mt;

namespace {

LearningCurve run(double first, double last, bool classes) {
  LearningCurve curve;
  for (std::uint64_t step = 1; step <= 100; ++step) {
    const double share = static_cast<double>(step) / 100, loss = first * std::pow(last / first, share);
    curve.add_training(step, loss, classes ? std::optional(share) : std::nullopt);
    if (step % 25 != 0) continue;
    HeadScore score{.loss = loss, .accuracy = share, .samples = 10};
    if (!classes) score.mse = loss;
    curve.add_validation(step, score);
  }
  curve.keep(75);
  return curve;
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("learning plot: loss and accuracy side by side, both of training and validation, and what was kept") {
  const std::string svg = learning_svg(run(2, 1, true));
  CHECK(svg.starts_with("<svg"));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(count(svg, "<polyline") == 4);
  CHECK(count(svg, "<circle") == 8);
  CHECK(count(svg, "kept: step 75") == 2);
  CHECK(svg.find(">accuracy<") != std::string::npos);
  CHECK(svg.find(">1.5<") != std::string::npos);  // a tick of the loss
  CHECK(svg.find(">100<") != std::string::npos);  // of the steps
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
}

TEST_CASE("learning plot: numbers have no accuracy; a loss that falls far is drawn over decades") {
  const std::string svg = learning_svg(run(20, 0.002, false));
  CHECK(count(svg, "<polyline") == 2);
  CHECK(svg.find(">accuracy<") == std::string::npos);
  for (const char* tick : {">0.01<", ">0.1<", ">1<", ">10<"}) CHECK(svg.find(tick) != std::string::npos);
}

TEST_CASE("learning plot: runs of no step, of one, and of a loss that never changes are pictures too") {
  LearningCurve one, flat;
  one.add_training(1, 0, std::nullopt);
  for (std::uint64_t step = 1; step < 4; ++step) flat.add_training(step, 0.7, 1.0);
  for (const LearningCurve& curve : {LearningCurve(), one, flat}) {
    const std::string svg = learning_svg(curve);
    CHECK(svg.ends_with("</svg>\n"));
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.find("inf") == std::string::npos);
  }
}
