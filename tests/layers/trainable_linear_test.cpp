#include "layers/trainable_linear.h"

#include <doctest/doctest.h>

#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/error.h"
#include "support/gradients.h"

namespace mt {
namespace {

using test::central_differences;
using test::doubles;
using test::plain_linear;
using test::relative_difference;

Tensor normal(Shape shape, std::uint64_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  Random random(seed);
  random.fill_normal(tensor.as<float>(), 0, 1);
  return tensor;
}

struct Fixture {
  Random random{7};
  TrainableLinear layer{"layer", 300, 70, random};  // more than one tile in each direction
  Tensor x = normal({130, 300}, 1), dy = normal({130, 70}, 2);
  ThreadPool pool{2};
};

TEST_CASE_FIXTURE(Fixture, "trainable linear: forward agrees with plain loops in double precision") {
  Tensor y(DType::f32, {130, 70});
  layer.forward(x, y, pool);
  const auto expected =
      plain_linear(doubles(std::as_const(x).as<float>()), doubles(std::as_const(layer.weight.value).as<float>()),
                   doubles(std::as_const(layer.bias.value).as<float>()));
  CHECK(relative_difference(std::as_const(y).as<float>(), expected) < 2e-6);  // 300 terms of float32 rounding
}

TEST_CASE_FIXTURE(Fixture,
                  "trainable linear: a row's bytes depend neither on its place nor on how many rows there are") {
  Tensor all(DType::f32, {130, 70});
  layer.forward(x, all, pool);
  for (const std::size_t rows : {1, 2, 3, 5, 7, 8, 63, 64, 65}) {
    for (const std::size_t first : {std::size_t{0}, std::size_t{1}, 130 - rows}) {
      Tensor some(DType::f32, {rows, 70});
      layer.forward_rows(std::as_const(x).row<float>(first).data(), some.as<float>().data(), rows);
      CHECK(std::memcmp(some.data(), all.row<float>(first).data(), some.bytes().size()) == 0);
    }
  }
}

TEST_CASE("trainable linear: backward agrees with central differences") {
  Random random(7);
  TrainableLinear layer("layer", 5, 3, random);
  const Tensor x = normal({4, 5}, 1), dy = normal({4, 3}, 2);
  ThreadPool pool(1);
  Tensor dx(DType::f32, {4, 5});
  layer.backward(x, dy, &dx, pool);

  auto points = doubles(x.as<float>()), weight = doubles(std::as_const(layer.weight.value).as<float>());
  auto bias = doubles(std::as_const(layer.bias.value).as<float>());
  const auto slope = doubles(dy.as<float>());
  const auto loss = [&] {
    const auto y = plain_linear(points, weight, bias);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * slope[i];
    return sum;
  };
  CHECK(relative_difference(std::as_const(dx).as<float>(), central_differences(points, loss)) < 1e-6);
  CHECK(relative_difference(std::as_const(layer.weight.gradient).as<float>(), central_differences(weight, loss)) <
        1e-6);
  CHECK(relative_difference(std::as_const(layer.bias.gradient).as<float>(), central_differences(bias, loss)) < 1e-6);
}

TEST_CASE_FIXTURE(Fixture, "trainable linear: backward overwrites dx and adds to the gradients") {
  Tensor dx(DType::f32, {130, 300});
  layer.backward(x, dy, &dx, pool);
  const Tensor once = layer.weight.gradient, first = dx;
  layer.backward(x, dy, &dx, pool);
  CHECK(std::equal(dx.bytes().begin(), dx.bytes().end(), first.bytes().begin()));
  for (std::size_t i = 0; i < once.size(); i += 97) {
    CHECK(std::as_const(layer.weight.gradient).as<float>()[i] ==
          doctest::Approx(2 * once.as<float>()[i]).epsilon(1e-5));
  }
}

TEST_CASE_FIXTURE(Fixture, "trainable linear: gradients are the same bytes for one thread and for three") {
  Tensor dx_one(DType::f32, {130, 300}), dx_three(DType::f32, {130, 300});
  ThreadPool one(1), three(3);
  TrainableLinear other = layer;
  layer.backward(x, dy, &dx_one, one);
  other.backward(x, dy, &dx_three, three);
  const auto same = [](const Tensor& a, const Tensor& b) {
    return std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin(), b.bytes().end());
  };
  CHECK(same(dx_one, dx_three));
  CHECK(same(layer.weight.gradient, other.weight.gradient));
  CHECK(same(layer.bias.gradient, other.bias.gradient));
}

TEST_CASE_FIXTURE(Fixture, "trainable linear: frozen parameters get no gradient") {
  layer.weight.freeze();
  layer.bias.freeze();
  Tensor dx(DType::f32, {130, 300});
  layer.backward(x, dy, &dx, pool);
  CHECK_FALSE(layer.weight.learns());
  CHECK_FALSE(layer.bias.learns());
}

TEST_CASE_FIXTURE(Fixture, "trainable linear: operands of the wrong shape are refused") {
  Tensor y(DType::f32, {130, 71}), dx(DType::f32, {129, 300});
  CHECK_THROWS_AS(layer.forward(x, y, pool), std::logic_error);
  CHECK_THROWS_AS(layer.backward(x, dy, &dx, pool), std::logic_error);
  CHECK_THROWS_AS(TrainableLinear("layer", Tensor(DType::f32, {3, 4}), Tensor(DType::f32, {4})), Error);
}

}  // namespace
}  // namespace mt
