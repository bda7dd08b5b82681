#include "train/learning_curve.h"

#include <doctest/doctest.h>

namespace mt {
namespace {

TEST_CASE("learning curve: keeps every value while there are few") {
  LearningCurve curve;
  curve.add_training(1, 2.5, 0.25);
  curve.add_training(2, 1.5, 0.75);
  curve.add_validation(2, {.loss = 1, .accuracy = 0.5, .samples = 4});
  curve.keep(2);
  REQUIRE(curve.training().size() == 2);
  CHECK(curve.training()[1].step == 2);
  CHECK(curve.training()[1].loss == 1.5);
  CHECK(*curve.training()[1].accuracy == 0.75);
  CHECK(*curve.validation()[0].accuracy == 0.5);
  CHECK(*curve.kept() == 2);
}

TEST_CASE("learning curve: a million steps stay few means, and none is lost") {
  LearningCurve curve;
  constexpr std::uint64_t kSteps = 1000003;
  for (std::uint64_t step = 1; step <= kSteps; ++step) curve.add_training(step, 3, 0.5);
  const auto points = curve.training();
  CHECK(points.size() > 200);
  CHECK(points.size() <= 512);
  CHECK(points.back().step == kSteps);
  for (const auto& point : points) {
    CHECK(point.loss == 3);
    CHECK(*point.accuracy == 0.5);
  }
}

TEST_CASE("learning curve: goes on from its state as if it had not stopped; numbers have no accuracy") {
  LearningCurve whole, begun;
  const auto add = [](LearningCurve& curve, std::uint64_t step) {
    curve.add_training(step, 1.0 / static_cast<double>(step), std::nullopt);
    if (step % 10 == 0) curve.add_validation(step, {.loss = 0.5, .samples = 4, .mse = 0.25});
  };
  for (std::uint64_t step = 1; step <= 1500; ++step) add(whole, step);
  for (std::uint64_t step = 1; step <= 700; ++step) add(begun, step);
  LearningCurve resumed = LearningCurve::from_json(nlohmann::json::parse(begun.to_json().dump()));
  for (std::uint64_t step = 701; step <= 1500; ++step) add(resumed, step);
  CHECK(resumed.to_json() == whole.to_json());
  CHECK_FALSE(whole.training()[0].accuracy.has_value());
  CHECK_FALSE(whole.validation()[0].accuracy.has_value());
}

}  // namespace
}  // namespace mt
