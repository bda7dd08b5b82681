#include "train/losses.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "support/gradients.h"

namespace mt {
namespace {

TEST_CASE("cross entropy: backward agrees with central differences, with smoothing and class weights") {
  const CrossEntropy loss(3, 0.2, {1.0, 2.5, 0.5});
  for (const std::int32_t label : {0, 1, 2}) {
    const std::vector<float> logits = {0.3F, -1.2F, 2.0F};
    std::vector<float> slope(3);
    const double value = loss.forward_backward(logits, label, slope);
    CHECK(value == doctest::Approx(loss.forward(logits, label)));
    // The plain formula in double precision.
    std::vector<double> points(logits.begin(), logits.end());
    const auto plain = [&] {
      double sum = 0, result = 0;
      for (const double x : points) sum += std::exp(x);
      for (std::size_t c = 0; c < 3; ++c) {
        const double target = 0.2 / 3 + (static_cast<std::int32_t>(c) == label ? 0.8 : 0.0);
        result -= loss.class_weights()[c] * target * (points[c] - std::log(sum));
      }
      return result;
    };
    CHECK(value == doctest::Approx(plain()).epsilon(1e-12));
    CHECK(test::relative_difference(slope, test::central_differences(points, plain)) < 1e-6);
  }
}

TEST_CASE("cross entropy: large logits overflow nowhere") {
  const CrossEntropy loss(2);
  std::vector<float> slope(2);
  CHECK(loss.forward_backward(std::vector<float>{3e4F, -3e4F}, 0, slope) == 0);
  CHECK(loss.forward_backward(std::vector<float>{3e4F, -3e4F}, 1, slope) == doctest::Approx(6e4));
  CHECK(slope[0] == 1.0F);
  CHECK(slope[1] == -1.0F);
}

TEST_CASE("cross entropy: the slope may overwrite the logits") {
  const CrossEntropy loss(3, 0.1);
  std::vector<float> in_place = {1, 2, 3}, apart(3);
  loss.forward_backward(in_place, 1, apart);
  loss.forward_backward(in_place, 1, in_place);
  CHECK(in_place == apart);
}

TEST_CASE("class weights: balanced ones give every class the same total") {
  const std::vector<std::size_t> counts = {10, 30, 60};
  const auto weights = balanced_class_weights(counts);
  for (std::size_t c = 0; c < 3; ++c) CHECK(weights[c] * static_cast<double>(counts[c]) == doctest::Approx(100.0 / 3));
}

}  // namespace
}  // namespace mt
