#include "train/schedule.h"

#include <doctest/doctest.h>

#include "base/error.h"

namespace mt {
namespace {

TEST_CASE("schedule: warm-up grows in a line, cosine falls to the last rate") {
  const Schedule schedule{
      .kind = Schedule::Kind::cosine, .rate = 2, .warm_up_epochs = 2, .epochs = 10, .last_rate = 0.5};
  CHECK(schedule.at(0.5) == doctest::Approx(0.5));
  CHECK(schedule.at(2) == doctest::Approx(2));
  CHECK(schedule.at(6) == doctest::Approx(1.25));
  CHECK(schedule.at(10) == doctest::Approx(0.5));
  CHECK(schedule.at(11) == doctest::Approx(0.5));
}

TEST_CASE("schedule: steps multiply the rate, constant keeps it") {
  const Schedule step{.kind = Schedule::Kind::step, .rate = 1, .epochs = 30, .step_epochs = 10, .step_factor = 0.1};
  CHECK(step.at(9.9) == doctest::Approx(1));
  CHECK(step.at(10) == doctest::Approx(0.1));
  CHECK(step.at(25) == doctest::Approx(0.01));
  const Schedule constant{.kind = Schedule::Kind::constant, .rate = 3, .epochs = 5};
  CHECK(constant.at(4.5) == doctest::Approx(3));
}

TEST_CASE("schedule: names are read back, others refused") {
  CHECK(schedule_named("step") == Schedule::Kind::step);
  CHECK_THROWS_AS(schedule_named("linear"), Error);
}

}  // namespace
}  // namespace mt
