#include "layers/activation.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "support/gradients.h"

namespace mt {
namespace {

double plain(Nonlinearity kind, double x) {
  return kind == Nonlinearity::gelu ? x * 0.5 * std::erfc(-x / std::sqrt(2.0)) : (x > 0 ? x : 0);
}

TEST_CASE("activation: forward and backward agree with double precision and central differences") {
  const std::vector<float> x = {-9.0F, -3.0F, -0.7F, -1e-3F, 1e-3F, 0.3F, 1.0F, 4.0F, 12.0F};
  const std::vector<float> dy = {1.0F, -2.0F, 0.5F, 3.0F, 1.0F, -1.0F, 2.0F, 1.0F, 1.0F};
  for (const Nonlinearity kind : {Nonlinearity::gelu, Nonlinearity::relu}) {
    CAPTURE(name_of(kind));
    std::vector<float> y(x.size()), dx(x.size());
    activation_forward(kind, x, y);
    activation_backward(kind, x, dy, dx);

    std::vector<double> points(x.begin(), x.end()), expected;
    for (const double value : points) expected.push_back(plain(kind, value));
    const auto loss = [&] {
      double sum = 0;
      for (std::size_t i = 0; i < points.size(); ++i) sum += dy[i] * plain(kind, points[i]);
      return sum;
    };
    CHECK(test::relative_difference(y, expected) < 1e-6);
    CHECK(test::relative_difference(dx, test::central_differences(points, loss)) < 1e-6);
  }
}

TEST_CASE("activation: names are read back, others are refused") {
  CHECK(nonlinearity_named("relu") == Nonlinearity::relu);
  CHECK_THROWS_AS(nonlinearity_named("swish"), Error);
}

}  // namespace
}  // namespace mt
