#include <cmath>
#include <functional>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "layers/trainable_batch_norm.h"
#include "support/gradients.h"

using namespace mt;

namespace {

constexpr std::size_t kTokens = 7, kWidth = 4;
constexpr double kEps = 1e-3;
// float32 rounding of sums of a few terms of order 1
constexpr double kTolerance = 1e-5;

Tensor random_tensor(Shape shape, std::uint64_t stream) {
  Tensor tensor(DType::f32, std::move(shape));
  Random(11, stream).fill_normal(tensor.as<float>(), 0, 1);
  return tensor;
}

TrainableBatchNorm random_norm() {
  Tensor variance = random_tensor({kWidth}, 8);
  for (float& value : variance.as<float>()) value = value * value + 0.1F;
  TrainableBatchNorm norm("norm", random_tensor({kWidth}, 1), random_tensor({kWidth}, 2), random_tensor({kWidth}, 7),
                          std::move(variance), static_cast<float>(kEps));
  norm.gain.clear_gradient();
  norm.bias.clear_gradient();
  return norm;
}

std::vector<double> doubles(const Tensor& tensor) { return test::doubles(tensor.as<float>()); }

// sum of dy * y for the plain formula in double precision; given statistics, or those of x.
double loss(const std::vector<double>& x, const std::vector<double>& gain, const std::vector<double>& bias,
            const std::vector<double>& dy, std::vector<double> mean = {}, std::vector<double> variance = {}) {
  if (mean.empty()) {
    mean.assign(kWidth, 0);
    variance.assign(kWidth, 0);
    for (std::size_t t = 0; t < kTokens; ++t) {
      for (std::size_t i = 0; i < kWidth; ++i) mean[i] += x[t * kWidth + i] / kTokens;
    }
    for (std::size_t t = 0; t < kTokens; ++t) {
      for (std::size_t i = 0; i < kWidth; ++i) variance[i] += std::pow(x[t * kWidth + i] - mean[i], 2) / kTokens;
    }
  }
  double total = 0;
  for (std::size_t t = 0; t < kTokens; ++t) {
    for (std::size_t i = 0; i < kWidth; ++i) {
      total += dy[t * kWidth + i] * ((x[t * kWidth + i] - mean[i]) / std::sqrt(variance[i] + kEps) * gain[i] + bias[i]);
    }
  }
  return total;
}

void check_against(const Tensor& gradient, std::vector<double>& values, const std::function<double()>& value) {
  CHECK(test::relative_difference(gradient.as<float>(), test::central_differences(values, value)) < kTolerance);
}

}  // namespace

TEST_CASE("batch norm: backward through running statistics agrees with central differences") {
  TrainableBatchNorm norm = random_norm();
  const Tensor x = random_tensor({kTokens, kWidth}, 3), dy = random_tensor({kTokens, kWidth}, 4);
  Tensor dx(DType::f32, {kTokens, kWidth});
  norm.backward(x, dy, dx);
  auto xs = doubles(x), gain = doubles(norm.gain.value), bias = doubles(norm.bias.value);
  const auto dys = doubles(dy), mean = doubles(norm.mean), variance = doubles(norm.variance);
  const auto value = [&] { return loss(xs, gain, bias, dys, mean, variance); };
  check_against(dx, xs, value);
  check_against(norm.gain.gradient, gain, value);
  check_against(norm.bias.gradient, bias, value);

  Tensor y(DType::f32, {kTokens, kWidth});
  norm.forward(x, y);
  double forward = 0;
  for (std::size_t i = 0; i < y.size(); ++i) forward += std::as_const(y).as<float>()[i] * dys[i];
  CHECK(std::abs(forward - value()) < kTolerance);
}

TEST_CASE("batch norm: backward through the batch's statistics agrees with central differences") {
  TrainableBatchNorm norm = random_norm();
  const Tensor x = random_tensor({kTokens, kWidth}, 3), dy = random_tensor({kTokens, kWidth}, 4);
  Tensor y(DType::f32, {kTokens, kWidth}), dx(DType::f32, {kTokens, kWidth});
  const auto statistics = norm.forward_training(x, y);
  norm.backward_training(x, statistics, dy, dx);
  auto xs = doubles(x), gain = doubles(norm.gain.value), bias = doubles(norm.bias.value);
  const auto dys = doubles(dy);
  const auto value = [&] { return loss(xs, gain, bias, dys); };
  check_against(dx, xs, value);
  check_against(norm.gain.gradient, gain, value);
  check_against(norm.bias.gradient, bias, value);
  double forward = 0;
  for (std::size_t i = 0; i < y.size(); ++i) forward += std::as_const(y).as<float>()[i] * dys[i];
  CHECK(std::abs(forward - value()) < kTolerance);
}

TEST_CASE("batch norm: running statistics move towards the batch's, whose variance is a sample's") {
  TrainableBatchNorm norm("norm", Tensor::of<float>({1}, {1}), Tensor(DType::f32, {1}), Tensor::of<float>({1}, {10}),
                          Tensor::of<float>({1}, {1}), 0);
  const Tensor x = Tensor::of<float>({3, 1}, {1, 2, 6});
  Tensor y(DType::f32, {3, 1});
  norm.forward_training(x, y, 0.5);
  CHECK(std::as_const(norm.mean).as<float>()[0] == doctest::Approx(6.5));    // (10 + 3) / 2
  CHECK(std::as_const(norm.variance).as<float>()[0] == doctest::Approx(4));  // (1 + 14 / 2) / 2
  CHECK(std::as_const(y).as<float>()[1] == doctest::Approx(-1 / std::sqrt(14.0 / 3)));
}

TEST_CASE("batch norm: shapes that disagree and negative variances are refused") {
  const auto make = [](std::size_t bias, float variance) {
    return TrainableBatchNorm("norm", Tensor(DType::f32, {2}), Tensor(DType::f32, {bias}), Tensor(DType::f32, {2}),
                              Tensor::of<float>({2}, {1, variance}), 1e-5F);
  };
  CHECK_NOTHROW(make(2, 0));
  CHECK_THROWS_AS(make(3, 0), Error);
  CHECK_THROWS_WITH_AS(make(2, -1), "norm: holds a negative variance (check the model with mt-inspect)", Error);
}
