#include <cmath>
#include <functional>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "layers/lookup.h"
#include "layers/trainable_layer_norm.h"

using namespace mt;

namespace {

constexpr std::size_t kTokens = 3, kWidth = 5;
constexpr double kEps = 1e-3;

Tensor random_tensor(Shape shape, std::uint64_t stream) {
  Tensor tensor(DType::f32, std::move(shape));
  Random(9, stream).fill_normal(tensor.as<float>(), 0, 1);
  return tensor;
}

std::vector<double> doubles(const Tensor& tensor) { return {tensor.as<float>().begin(), tensor.as<float>().end()}; }

// sum of dy * y for the plain formula in double precision.
double loss(const std::vector<double>& x, const std::vector<double>& gain, const std::vector<double>& bias,
            const std::vector<double>& dy) {
  double total = 0;
  for (std::size_t t = 0; t < kTokens; ++t) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < kWidth; ++i) mean += x[t * kWidth + i] / kWidth;
    for (std::size_t i = 0; i < kWidth; ++i) variance += std::pow(x[t * kWidth + i] - mean, 2) / kWidth;
    for (std::size_t i = 0; i < kWidth; ++i) {
      total += dy[t * kWidth + i] * ((x[t * kWidth + i] - mean) / std::sqrt(variance + kEps) * gain[i] + bias[i]);
    }
  }
  return total;
}

void check_gradient(const Tensor& gradient, std::vector<double>& values, const std::function<double()>& value) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double kept = values[i], step = 1e-5;
    values[i] = kept + step;
    const double above = value();
    values[i] = kept - step;
    const double below = value();
    values[i] = kept;
    // float32 rounding of sums of a few terms of order 1
    CHECK(std::abs(gradient.as<float>()[i] - (above - below) / (2 * step)) < 1e-5);
  }
}

}  // namespace

TEST_CASE("trainable layer norm: backward agrees with central differences") {
  TrainableLayerNorm norm("norm", random_tensor({kWidth}, 1), random_tensor({kWidth}, 2), static_cast<float>(kEps));
  norm.gain.clear_gradient();
  norm.bias.clear_gradient();
  const Tensor x = random_tensor({kTokens, kWidth}, 3), dy = random_tensor({kTokens, kWidth}, 4);
  Tensor dx(DType::f32, {kTokens, kWidth}), y(DType::f32, {kTokens, kWidth});
  norm.forward(x, y);
  norm.backward(x, dy, dx);

  auto xs = doubles(x), gain = doubles(norm.gain.value), bias = doubles(norm.bias.value);
  const auto dys = doubles(dy);
  const auto value = [&] { return loss(xs, gain, bias, dys); };
  double forward = 0;
  for (std::size_t i = 0; i < y.size(); ++i) forward += std::as_const(y).as<float>()[i] * dys[i];
  CHECK(std::abs(forward - value()) < 1e-5);
  check_gradient(dx, xs, value);
  check_gradient(norm.gain.gradient, gain, value);
  check_gradient(norm.bias.gradient, bias, value);
}

TEST_CASE("trainable layer norm: parameter gradients add up, frozen ones stay away, dx may be dy") {
  TrainableLayerNorm norm("norm", random_tensor({kWidth}, 1), random_tensor({kWidth}, 2), static_cast<float>(kEps));
  norm.bias.clear_gradient();
  const Tensor x = random_tensor({kTokens, kWidth}, 3);
  Tensor dy = random_tensor({kTokens, kWidth}, 4), dx(DType::f32, {kTokens, kWidth});
  norm.backward(x, dy, dx);
  const Tensor once = norm.bias.gradient;
  norm.backward(x, dy, dy);
  CHECK(std::equal(dx.as<float>().begin(), dx.as<float>().end(), dy.as<float>().begin()));
  for (std::size_t i = 0; i < kWidth; ++i) CHECK(!(once.as<float>()[i] == norm.bias.gradient.as<float>()[i]));
  CHECK(!norm.gain.learns());
  CHECK_THROWS_AS(TrainableLayerNorm("norm", Tensor(DType::f32, {3}), Tensor(DType::f32, {4}), 1e-5F), Error);
}

TEST_CASE("lookup: adds rows of the table, and gives gradients to the rows that were used") {
  Lookup lookup("words", Tensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6}));
  const std::vector<std::int32_t> ids = {2, 0, 2};
  Tensor y = Tensor::of<float>({3, 2}, {10, 10, 0, 0, 0, 0});
  lookup.add(ids, y);
  CHECK(doubles(y) == std::vector<double>{15, 16, 1, 2, 5, 6});

  const Tensor dy = Tensor::of<float>({3, 2}, {1, 2, 4, 8, 16, 32});
  const RowGradients gradients = lookup.row_gradients(ids, dy);
  CHECK(gradients.rows == std::vector<std::int32_t>{0, 2});
  CHECK(doubles(gradients.values) == std::vector<double>{4, 8, 17, 34});

  lookup.backward(ids, dy);  // frozen: nothing
  lookup.table.clear_gradient();
  lookup.backward(ids, dy);
  lookup.backward(ids, dy);
  CHECK(doubles(lookup.table.gradient) == std::vector<double>{8, 16, 0, 0, 34, 68});
}

TEST_CASE("lookup: an id without a row is refused") {
  const Lookup lookup("words", Tensor(DType::f32, {3, 2}));
  Tensor y(DType::f32, {1, 2});
  const std::vector<std::int32_t> beyond = {3}, negative = {-1};
  CHECK_THROWS_WITH_AS(
      lookup.add(beyond, y),
      "words: has 3 rows, the id 3 is none of them (use the model and the vocabulary that belong together)", Error);
  CHECK_THROWS_AS(lookup.add(negative, y), Error);
}
