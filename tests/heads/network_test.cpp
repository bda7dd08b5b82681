#include "heads/network.h"

#include <doctest/doctest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "support/gradients.h"

namespace mt {
namespace {

using test::doubles;
using test::relative_difference;

Tensor normal(Shape shape, std::uint64_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  Random random(seed);
  random.fill_normal(tensor.as<float>(), 0, 1);
  return tensor;
}

std::vector<double> values_of(const Parameter& parameter) { return doubles(parameter.value.as<float>()); }

// Two layers in double precision. scale: [samples, hidden], what dropout multiplies with.
struct Plain {
  std::vector<double> w0, b0, w1, b1, scale;

  std::vector<double> operator()(const std::vector<double>& x) const {
    const std::size_t hidden = b0.size(), inputs = w0.size() / hidden, outputs = b1.size();
    std::vector<double> logits;
    for (std::size_t n = 0; n < x.size() / inputs; ++n) {
      std::vector<double> h(hidden);
      for (std::size_t j = 0; j < hidden; ++j) {
        h[j] = b0[j];
        for (std::size_t i = 0; i < inputs; ++i) h[j] += w0[j * inputs + i] * x[n * inputs + i];
        h[j] *= 0.5 * std::erfc(-h[j] / std::sqrt(2.0)) * scale[n * hidden + j];
      }
      for (std::size_t o = 0; o < outputs; ++o) {
        double sum = b1[o];
        for (std::size_t j = 0; j < hidden; ++j) sum += w1[o * hidden + j] * h[j];
        logits.push_back(sum);
      }
    }
    return logits;
  }
};

TEST_CASE("network: backward through GELU and dropout agrees with central differences") {
  // given
  Network network({.inputs = 5, .outputs = 3, .hidden = {7}, .activation = Nonlinearity::gelu, .dropout = 0.4}, 11);
  const auto parameters = network.parameters();
  const Tensor x = normal({6, 5}, 1), dlogits = normal({6, 3}, 2);
  ThreadPool pool(2);

  // when
  Network::Saved saved;
  const Tensor logits = network.forward(x, 9, 4, saved, pool);
  Tensor dx(DType::f32, {6, 5});
  network.backward(x, saved, dlogits, &dx, pool);

  // then
  Plain plain{
      values_of(*parameters[0]), values_of(*parameters[1]), values_of(*parameters[2]), values_of(*parameters[3]), {}};
  for (std::size_t row = 0; row < 6; ++row) {
    std::vector<float> mask(7, 1.0F);
    Dropout{.probability = 0.4, .seed = 9, .step = 4, .layer = 0}.apply(mask, row);
    plain.scale.insert(plain.scale.end(), mask.begin(), mask.end());
  }
  auto points = doubles(x.as<float>());
  const auto slope = doubles(dlogits.as<float>());
  CHECK(relative_difference(logits.as<float>(), plain(points)) < 1e-6);
  const auto loss = [&] {
    const auto y = plain(points);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * slope[i];
    return sum;
  };
  CHECK(relative_difference(std::as_const(dx).as<float>(), test::central_differences(points, loss)) < 1e-6);
  std::vector<double>* const members[] = {&plain.w0, &plain.b0, &plain.w1, &plain.b1};
  for (std::size_t p = 0; p < 4; ++p) {
    CAPTURE(parameters[p]->name);
    const auto expected = test::central_differences(*members[p], loss);
    CHECK(relative_difference(std::as_const(parameters[p]->gradient).as<float>(), expected) < 1e-6);
  }
}

TEST_CASE("network: scoring has no dropout, and rows do not see each other") {
  const Network network({.inputs = 5, .outputs = 3, .hidden = {7, 4}, .activation = Nonlinearity::relu, .dropout = 0.9},
                        11);
  const Tensor x = normal({6, 5}, 1);
  std::vector<float> all(18), again(18), alone(3);
  network.forward_rows(x.as<float>().data(), all.data(), 6);
  network.forward_rows(x.as<float>().data(), again.data(), 6);
  CHECK(all == again);
  network.forward_rows(x.row<float>(4).data(), alone.data(), 1);
  for (std::size_t c = 0; c < 3; ++c) CHECK(alone[c] == doctest::Approx(all[12 + c]).epsilon(1e-5));
}

TEST_CASE("network: parameters are counted and named as in the model file, and read back") {
  const Network network({.inputs = 4, .outputs = 2, .hidden = {3}, .activation = Nonlinearity::gelu, .dropout = 0}, 1);
  CHECK(network.shape().parameter_count() == 4 * 3 + 3 + 3 * 2 + 2);
  auto tensors = network.tensors();
  CHECK(tensors.size() == 4);
  CHECK(tensors.at("layers.1.weight").shape() == Shape{2, 3});
  const auto again = Network(network.shape(), tensors).tensors();
  CHECK(again.at("layers.0.bias").as<float>()[2] == std::as_const(tensors.at("layers.0.bias")).as<float>()[2]);

  tensors.erase("layers.1.bias");
  CHECK_THROWS_AS(Network(network.shape(), tensors), Error);
  tensors.emplace("layers.1.bias", Tensor(DType::f32, {3}));
  CHECK_THROWS_AS(Network(network.shape(), tensors), Error);
}

}  // namespace
}  // namespace mt
