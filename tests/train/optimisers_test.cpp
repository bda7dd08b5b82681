#include "train/optimisers.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "heads/network.h"
#include "heads/standardisation.h"
#include "support/gradients.h"
#include "support/wine.h"
#include "train/losses.h"

namespace mt {
namespace {

// The network of tests/golden/heads.json: 13 -> 8 -> 3, GELU, smoothing 0.1, class weights 1, 2, 0.5.
struct GoldenRun {
  test::Wine wine;
  nlohmann::json golden = wine.golden.at("network");
  Tensor x = wine.train;
  Network network = make();
  CrossEntropy loss{3, 0.1, {1.0, 2.0, 0.5}};
  ThreadPool pool{2};

  GoldenRun() {
    Moments moments(13);
    moments.add(x.as<float>().data(), x.rows());
    moments.standardisation().apply(x.as<float>().data(), x.as<float>().data(), x.rows());
  }

  Network make() const {
    std::map<std::string, Tensor> tensors;
    const std::vector<std::pair<std::string, Shape>> names = {
        {"layers.0.weight", {8, 13}}, {"layers.0.bias", {8}}, {"layers.1.weight", {3, 8}}, {"layers.1.bias", {3}}};
    for (std::size_t i = 0; i < 4; ++i) {
      const auto values = golden.at("parameters")[i].get<std::vector<float>>();
      tensors.emplace(names[i].first, Tensor::of<float>(names[i].second, std::span<const float>(values)));
    }
    return Network({.inputs = 13, .outputs = 3, .hidden = {8}}, tensors);
  }

  // One pass over all samples: fresh gradients, the mean loss.
  double pass() {
    for (Parameter* parameter : network.parameters()) parameter->clear_gradient();
    Network::Saved saved;
    Tensor slope = network.forward(x, 0, 0, saved, pool);
    double sum = 0, weight = 0;
    for (const std::int32_t label : wine.train_labels) weight += loss.weight_of(label);
    for (std::size_t i = 0; i < x.rows(); ++i) {
      const auto row = slope.row<float>(i);
      sum += loss.forward_backward(row, wine.train_labels[i], row);
      for (float& value : row) value /= static_cast<float>(weight);
    }
    network.backward(x, saved, slope, nullptr, pool);
    return sum / weight;
  }

  void require_parameters(const nlohmann::json& expected, double tolerance) {
    const auto parameters = network.parameters();
    for (std::size_t i = 0; i < 4; ++i) {
      CAPTURE(parameters[i]->name);
      const auto values = expected[i].get<std::vector<double>>();
      CHECK(test::relative_difference(std::as_const(parameters[i]->value).as<float>(), values) < tolerance);
    }
  }
};

TEST_CASE_FIXTURE(GoldenRun, "optimisers: loss, logits and gradients of an mlp equal PyTorch's") {
  CHECK(pass() == doctest::Approx(golden.at("loss").get<double>()).epsilon(1e-6));
  const auto parameters = network.parameters();
  for (std::size_t i = 0; i < 4; ++i) {
    const auto expected = golden.at("gradients")[i].get<std::vector<double>>();
    CHECK(test::relative_difference(std::as_const(parameters[i]->gradient).as<float>(), expected) < 1e-6);
  }
  std::vector<float> logits(5 * 3);
  network.forward_rows(std::as_const(x).as<float>().data(), logits.data(), 5);
  CHECK(test::relative_difference(logits, golden.at("logits").get<std::vector<double>>()) < 1e-6);
}

TEST_CASE("optimisers: ten steps of AdamW and of SGD with momentum equal PyTorch's") {
  const std::vector<std::pair<OptimiserSettings, double>> cases = {
      {{.kind = "adamw", .weight_decay = 0.05}, 0.01}, {{.kind = "sgd", .weight_decay = 0.05, .momentum = 0.9}, 0.1}};
  for (const auto& [settings, rate] : cases) {
    CAPTURE(settings.kind);
    GoldenRun run;
    const auto optimiser = Optimiser::make(settings, run.network.parameters());
    const auto& expected = run.golden.at(settings.kind);
    for (std::size_t step = 0; step < 10; ++step) {
      CHECK(run.pass() == doctest::Approx(expected.at("losses")[step].get<double>()).epsilon(2e-6));
      optimiser->step(rate);
    }
    run.require_parameters(expected.at("parameters"), 1e-5);  // ten steps of float32 rounding
  }
}

TEST_CASE("optimisers: a parameter's own rate is a multiple of the run's, and names may repeat") {
  for (const char* kind : {"adamw", "sgd"}) {
    CAPTURE(kind);
    GoldenRun plain, scaled;
    for (Parameter* parameter : scaled.network.parameters()) {
      parameter->rate = 0.25;
      parameter->name = "same";
    }
    const OptimiserSettings settings{.kind = kind, .weight_decay = 0.01};
    const auto first = Optimiser::make(settings, plain.network.parameters());
    const auto second = Optimiser::make(settings, scaled.network.parameters());
    for (int i = 0; i < 3; ++i) {
      CHECK(plain.pass() == scaled.pass());
      first->step(0.01);
      second->step(0.04);
    }
    CHECK(second->state().size() == first->state().size());
  }
}

TEST_CASE("optimisers: a state taken in the middle goes on to the same bytes") {
  for (const char* kind : {"adamw", "sgd"}) {
    CAPTURE(kind);
    GoldenRun through, resumed;
    const auto first = Optimiser::make({.kind = kind, .weight_decay = 0.01}, through.network.parameters());
    for (int i = 0; i < 3; ++i) {
      through.pass();
      first->step(0.01);
    }
    for (std::size_t p = 0; p < 4; ++p) resumed.network.parameters()[p]->value = through.network.parameters()[p]->value;
    const auto second = Optimiser::make({.kind = kind, .weight_decay = 0.01}, resumed.network.parameters());
    second->restore(first->state());
    for (int i = 0; i < 2; ++i) {
      CHECK(through.pass() == resumed.pass());
      first->step(0.01);
      second->step(0.01);
    }
    auto broken = first->state();
    broken.erase(broken.begin());
    CHECK_THROWS_AS(second->restore(broken), Error);
  }
}

TEST_CASE_FIXTURE(GoldenRun,
                  "optimisers: frozen parameters stay, and clipping bounds the norm of all gradients together") {
  pass();
  const auto parameters = network.parameters();
  const double norm = gradient_norm(parameters);
  clip_gradients(parameters, norm, 2 * norm);
  CHECK(gradient_norm(parameters) == norm);
  clip_gradients(parameters, norm, norm / 4);
  CHECK(gradient_norm(parameters) == doctest::Approx(norm / 4).epsilon(1e-4));

  const Tensor before = parameters[0]->value;
  parameters[0]->freeze();
  Optimiser::make({.kind = "adamw"}, parameters)->step(0.1);
  CHECK(std::equal(before.bytes().begin(), before.bytes().end(), parameters[0]->value.bytes().begin()));
  CHECK_THROWS_AS(Optimiser::make({.kind = "adam"}, parameters), Error);
}

}  // namespace
}  // namespace mt
