#include "train/losses.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/error.h"
#include "support/gradients.h"
#include "train/loss_choice.h"

namespace mt {
namespace {

// What a loss says of outputs, beside a plain formula in double precision.
using Formula = std::function<double(const std::vector<double>& outputs)>;
void check(const Loss& loss, const std::vector<float>& outputs, const Target& target, const Formula& formula) {
  std::vector<float> slope(outputs.size());
  const double value = loss.forward_backward(outputs, target, slope);
  CHECK(value == doctest::Approx(loss.forward(outputs, target)));
  std::vector<double> points(outputs.begin(), outputs.end());
  const auto plain = [&] { return formula(points); };
  CHECK(value == doctest::Approx(plain()).epsilon(1e-12));
  CHECK(test::relative_difference(slope, test::central_differences(points, plain)) < 1e-6);

  std::vector<float> in_place = outputs;
  loss.forward_backward(in_place, target, in_place);
  CHECK(in_place == slope);
}

double log_softmax(const std::vector<double>& logits, std::size_t c) {
  double sum = 0;
  for (const double x : logits) sum += std::exp(x);
  return logits[c] - std::log(sum);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

const std::vector<float> kLogits = {0.3F, -1.2F, 2.0F};
const std::vector<double> kWeights = {1.0, 2.5, 0.5};

TEST_CASE("cross entropy: backward agrees with central differences, with smoothing and class weights") {
  const CrossEntropy loss(3, 0.2, kWeights);
  for (const std::int32_t label : {0, 1, 2}) {
    check(loss, kLogits, label, [&](const std::vector<double>& logits) {
      double result = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const double wanted = 0.2 / 3 + (static_cast<std::int32_t>(c) == label ? 0.8 : 0.0);
        result -= kWeights[c] * wanted * log_softmax(logits, c);
      }
      return result;
    });
    CHECK(loss.weight_of(label) == kWeights[static_cast<std::size_t>(label)]);
    const std::vector<double> points(kLogits.begin(), kLogits.end());
    CHECK(loss.plain(kLogits, label) == doctest::Approx(-log_softmax(points, static_cast<std::size_t>(label))));
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

TEST_CASE("focal loss: backward agrees with central differences for gammas, whole or not") {
  for (const double gamma : {0.0, 0.5, 2.0}) {
    const FocalLoss loss(3, gamma, kWeights);
    for (const std::int32_t label : {0, 1, 2}) {
      check(loss, kLogits, label, [&](const std::vector<double>& logits) {
        const auto right = static_cast<std::size_t>(label);
        const double log_p = log_softmax(logits, right);
        return -kWeights[right] * std::pow(1 - std::exp(log_p), gamma) * log_p;
      });
    }
  }
}

TEST_CASE("focal loss: without gamma it is cross entropy, and it stays finite where all is right or wrong") {
  std::vector<float> focal(3), entropy(3);
  const double loss = FocalLoss(3, 0, kWeights).forward_backward(kLogits, 1, focal);
  CHECK(loss == doctest::Approx(CrossEntropy(3, 0, kWeights).forward_backward(kLogits, 1, entropy)));
  CHECK(test::relative_difference(focal, entropy) < 1e-7);
  for (const double gamma : {0.0, 0.5, 2.0}) {
    CHECK(FocalLoss(2, gamma).forward_backward(std::vector<float>{3e4F, -3e4F}, 0, focal) == 0);
    CHECK(focal[0] == 0);
    CHECK(FocalLoss(2, gamma).forward_backward(std::vector<float>{3e4F, -3e4F}, 1, focal) == doctest::Approx(6e4));
    CHECK(focal[1] == -1);
  }
}

TEST_CASE("binary cross entropy: one class against the rest, with smoothing and class weights") {
  const BinaryCrossEntropy loss(3, 0.2, kWeights);
  for (const std::int32_t label : {0, 1, 2}) {
    check(loss, kLogits, label, [&](const std::vector<double>& logits) {
      double sum = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const double wanted = static_cast<std::int32_t>(c) == label ? 0.9 : 0.1;
        sum -= wanted * std::log(sigmoid(logits[c])) + (1 - wanted) * std::log(1 - sigmoid(logits[c]));
      }
      return kWeights[static_cast<std::size_t>(label)] * sum / 3;
    });
  }
  // The probability that is scored: sigmoids, divided by their sum.
  const double sum = sigmoid(double{kLogits[0]}) + sigmoid(double{kLogits[1]}) + sigmoid(double{kLogits[2]});
  CHECK(loss.plain(kLogits, 1) == doctest::Approx(-std::log(sigmoid(double{kLogits[1]}) / sum)));
}

TEST_CASE("binary cross entropy: of numbers, several of which may be 1") {
  const std::vector<float> truth = {1, 0.25F, 1};
  const BinaryCrossEntropy loss(3);
  check(loss, kLogits, std::span(truth), [&](const std::vector<double>& logits) {
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c)
      sum -=
          double{truth[c]} * std::log(sigmoid(logits[c])) + (1 - double{truth[c]}) * std::log(1 - sigmoid(logits[c]));
    return sum / 3;
  });
  CHECK(loss.weight_of(std::span(truth)) == 1);
  std::vector<float> slope(1);
  const std::vector<float> none = {0};
  CHECK(BinaryCrossEntropy(1).forward_backward(std::vector<float>{3e4F}, std::span(none), slope) == 3e4);
  CHECK(slope[0] == 1);
}

TEST_CASE("distances: backward agrees with central differences on both sides of huber's delta") {
  const std::vector<float> truth = {1, 2, -3, 0.5F}, outputs = {1.4F, 0.5F, -2.8F, 4};
  const auto mean = [&](const std::vector<double>& y, const std::function<double(double)>& of) {
    double sum = 0;
    for (std::size_t k = 0; k < y.size(); ++k) sum += of(y[k] - double{truth[k]});
    return sum / static_cast<double>(y.size());
  };
  using Distance = DistanceLoss::Kind;
  check(DistanceLoss(Distance::squares), outputs, std::span(truth),
        [&](const std::vector<double>& y) { return mean(y, [](double r) { return r * r; }); });
  check(DistanceLoss(Distance::absolute), outputs, std::span(truth),
        [&](const std::vector<double>& y) { return mean(y, [](double r) { return std::abs(r); }); });
  check(DistanceLoss(Distance::huber, 0.7), outputs, std::span(truth), [&](const std::vector<double>& y) {
    return mean(y, [](double r) { return std::abs(r) <= 0.7 ? r * r / 2 : 0.7 * (std::abs(r) - 0.35); });
  });
}

TEST_CASE("distances: what is right already has no slope") {
  const std::vector<float> truth = {2};
  for (const auto kind : {DistanceLoss::Kind::squares, DistanceLoss::Kind::absolute, DistanceLoss::Kind::huber}) {
    std::vector<float> slope = {7};
    CHECK(DistanceLoss(kind).forward_backward(truth, std::span(truth), slope) == 0);
    CHECK(slope[0] == 0);
  }
}

TEST_CASE("loss names: parameters, defaults, and what is no loss") {
  CHECK(loss_named("focal").parameter == 2);
  CHECK(loss_named("focal:0.5").parameter == 0.5);
  CHECK(loss_named("huber:3").to_json() == nlohmann::json{{"name", "huber"}, {"delta", 3.0}});
  CHECK(loss_named("cross-entropy").to_json() == nlohmann::json{{"name", "cross_entropy"}});
  for (const char* wrong : {"", "hinge", "mse:1", "huber:0", "huber:", "focal:-1", "focal:x", "huber:inf"})
    CHECK_THROWS_AS(loss_named(wrong), UsageError);
  const std::vector<float> truth = {1}, outputs = {3};
  CHECK(make_loss(loss_named("huber:0.5"), 1, 0, {})->forward(outputs, std::span(truth)) == 0.5 * (2 - 0.25));
}

TEST_CASE("class weights: balanced ones give every class the same total") {
  const std::vector<std::size_t> counts = {10, 30, 60};
  const auto weights = balanced_class_weights(counts);
  for (std::size_t c = 0; c < 3; ++c) CHECK(weights[c] * static_cast<double>(counts[c]) == doctest::Approx(100.0 / 3));
}

}  // namespace
}  // namespace mt
