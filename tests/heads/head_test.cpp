#include "heads/head.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "heads/nearest_mean.h"
#include "heads/neighbours.h"
#include "heads/network_head.h"
#include "heads/regression_head.h"
#include "support/wine.h"

namespace mt {
namespace {

HeadDescription wine_description(const test::Wine& wine) {
  HeadDescription description;
  description.width = 13;
  description.class_names = {"barolo", "grignolino", "barbera"};
  description.input = {Kind::features, "tabular", 1, "ab12"};
  Moments moments(13);
  moments.add(wine.train.as<float>().data(), wine.train.rows());
  description.standardisation = moments.standardisation();
  description.training = {{"seed", 3}};
  return description;
}

Tensor standardised(const test::Wine& wine) {
  Tensor rows = wine.train;
  wine_description(wine).standardisation->apply(rows.as<float>().data(), rows.as<float>().data(), rows.rows());
  return rows;
}

NearestMeanHead nearest_mean(const test::Wine& wine, Distance distance = Distance::euclidean) {
  const Tensor rows = standardised(wine);
  Tensor means(DType::f32, {3, 13});
  std::vector<float> counts(3);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const auto c = static_cast<std::size_t>(wine.train_labels[i]);
    ++counts[c];
    for (std::size_t d = 0; d < 13; ++d) means.row<float>(c)[d] += rows.row<float>(i)[d];
  }
  for (std::size_t c = 0; c < 3; ++c) {
    for (float& value : means.row<float>(c)) value /= counts[c];
  }
  return {wine_description(wine), std::move(means), distance, 0.5};
}

NeighboursHead neighbours(const test::Wine& wine, NeighboursHead::Settings settings, DType dtype = DType::f32) {
  Tensor labels =
      Tensor::of<std::int32_t>({wine.train_labels.size()}, std::span<const std::int32_t>(wine.train_labels));
  Tensor rows = standardised(wine);
  if (dtype != DType::f32) rows = rows.to(dtype);
  return {wine_description(wine), std::move(rows), std::move(labels), settings};
}

std::size_t largest(std::span<const float> row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin());
}

std::vector<std::unique_ptr<Head>> one_of_each(const test::Wine& wine) {
  std::vector<std::unique_ptr<Head>> heads;
  const Network linear({.inputs = 13, .outputs = 3, .hidden = {}}, 1);
  const Network mlp({.inputs = 13, .outputs = 3, .hidden = {40, 4}, .activation = Nonlinearity::relu, .dropout = 0.5},
                    1);
  heads.push_back(std::make_unique<NetworkHead>(wine_description(wine), linear));
  heads.push_back(std::make_unique<NetworkHead>(wine_description(wine), mlp));
  heads.push_back(std::make_unique<NearestMeanHead>(nearest_mean(wine, Distance::cosine)));
  heads.push_back(
      std::make_unique<NeighboursHead>(neighbours(wine, {3, Distance::cosine, Vote::distance}, DType::f16)));
  return heads;
}

TEST_CASE("head: k nearest neighbours vote as scikit-learn's KNeighborsClassifier") {
  const test::Wine wine;
  ThreadPool pool(2);
  const std::vector<std::pair<std::string, NeighboursHead::Settings>> cases = {
      {"uniform", {5, Distance::euclidean, Vote::uniform}},
      {"distance", {7, Distance::euclidean, Vote::distance}},
      {"cosine", {5, Distance::cosine, Vote::uniform}},
  };
  for (const auto& [name, settings] : cases) {
    CAPTURE(name);
    const Tensor scores = neighbours(wine, settings).scores(wine.test, pool);
    const auto expected = wine.golden.at("knn").at(name).get<std::vector<double>>();
    double worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(std::as_const(scores).as<float>()[i]) - expected[i]));
    }
    CHECK(worst < 1e-5);  // features are standardised in float32 here
  }
}

TEST_CASE("head: neighbours kept in half precision decide nearly alike, and ties go to the first sample") {
  const test::Wine wine;
  ThreadPool pool(1);
  const Tensor full = neighbours(wine, {5, Distance::euclidean, Vote::uniform}).scores(wine.test, pool);
  const Tensor half = neighbours(wine, {5, Distance::euclidean, Vote::uniform}, DType::f16).scores(wine.test, pool);
  std::size_t alike = 0;
  for (std::size_t i = 0; i < full.rows(); ++i)
    alike += largest(full.row<float>(i)) == largest(half.row<float>(i)) ? 1 : 0;
  CHECK(alike >= 87);  // of 89

  HeadDescription description;
  description.width = 1;
  description.class_names = {"left", "right"};
  const NeighboursHead tied(description, Tensor::of<float>({2, 1}, {1.0F, -1.0F}),
                            Tensor::of<std::int32_t>({2}, {1, 0}), {1, Distance::euclidean, Vote::uniform});
  CHECK(std::as_const(tied).scores(Tensor::of<float>({1, 1}, {0.0F}), pool).as<float>()[1] == 1.0F);
}

TEST_CASE("head: a neighbour at distance zero outvotes all others when distance counts") {
  const test::Wine wine;
  ThreadPool pool(1);
  const Tensor scores = neighbours(wine, {7, Distance::euclidean, Vote::distance}).scores(wine.train, pool);
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    CHECK(scores.row<float>(i)[static_cast<std::size_t>(wine.train_labels[i])] == 1.0F);
  }
}

TEST_CASE("head: the nearest class mean is scikit-learn's NearestCentroid") {
  const test::Wine wine;
  ThreadPool pool(2);
  const Tensor logits = nearest_mean(wine).logits(wine.test, pool);
  const auto expected = wine.golden.at("centroid").get<std::vector<std::size_t>>();
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(largest(logits.row<float>(i)) == expected[i]);
}

TEST_CASE("head: a part gives back an equal head, for every kind") {
  const test::Wine wine;
  ThreadPool pool(2);
  for (const auto& head : one_of_each(wine)) {
    CAPTURE(name_of(head->kind()));
    const Part part = head->to_part();
    const auto again = Head::from(part);
    CHECK(again->kind() == head->kind());
    CHECK(again->class_names() == head->class_names());
    CHECK(again->description().input == head->description().input);
    CHECK(again->description().training == head->description().training);
    CHECK(same_bytes(again->scores(wine.test, pool), head->scores(wine.test, pool)));
    CHECK(again->to_part().config == part.config);
  }
}

TEST_CASE("head: a sample's scores do not depend on its batch or on the threads") {
  const test::Wine wine;
  ThreadPool one(1), three(3);
  for (const auto& head : one_of_each(wine)) {
    CAPTURE(name_of(head->kind()));
    const Tensor all = head->scores(wine.test, one);
    CHECK(same_bytes(all, head->scores(wine.test, three)));
    for (const std::size_t i : {std::size_t{0}, std::size_t{63}, std::size_t{64}, std::size_t{88}}) {
      CHECK(same_bytes(head->scores(wine.test.rows_copy(i, i + 1), one), all.rows_copy(i, i + 1)));
    }
  }
}

TEST_CASE("head: logits of standardised rows equal those of the stored features") {
  const test::Wine wine;
  ThreadPool pool(1);
  const Tensor rows = standardised(wine);
  for (const auto& head : one_of_each(wine)) {
    Tensor logits(DType::f32, {89, 3});
    head->logits_of_rows(rows.as<float>().data(), 89, logits.as<float>().data());
    CHECK(same_bytes(logits, head->logits(wine.train, pool)));
  }
}

TEST_CASE("head: scores are probabilities, and the softmax of the logits") {
  const test::Wine wine;
  ThreadPool pool(1);
  const auto head = nearest_mean(wine);
  const Tensor scores = head.scores(wine.test, pool);
  Tensor logits = head.logits(wine.test, pool);
  softmax_rows(logits.as<float>(), 3);
  CHECK(same_bytes(scores, logits));
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    const auto row = scores.row<float>(i);
    CHECK(row[0] + row[1] + row[2] == doctest::Approx(1.0).epsilon(1e-6));
  }
}

TEST_CASE("head: softmax of large logits neither overflows nor loses the largest") {
  std::vector<float> values = {1e30F, 0.0F, -1e30F, 5.0F, 5.0F, -1e38F};
  softmax_rows(values, 3);
  CHECK(values == std::vector<float>{1, 0, 0, 0.5F, 0.5F, 0});
}

TEST_CASE("head: features that do not fit are refused with both widths, values that are not finite by row") {
  const test::Wine wine;
  ThreadPool pool(1);
  const auto head = nearest_mean(wine);
  CHECK_THROWS_WITH_AS(head.scores(Tensor(DType::f32, {2, 12}), pool),
                       doctest::Contains("[2, 12], the head takes [n, 13]"), Error);
  Tensor bad(DType::f32, {3, 13});
  bad.row<float>(1)[4] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(head.scores(bad, pool), doctest::Contains("sample 1: has a feature that is not finite"), Error);
  CHECK(head.scores(Tensor(DType::f32, {0, 13}), pool).shape() == Shape{0, 3});
}

TEST_CASE("head: parts that cannot be meant are refused") {
  const test::Wine wine;
  const Part good = neighbours(wine, {5, Distance::euclidean, Vote::uniform}).to_part();
  const auto refused = [&](const char* reason, const auto& spoil) {
    CAPTURE(reason);
    Part part = good;
    spoil(part);
    CHECK_THROWS_WITH_AS(Head::from(part), doctest::Contains(reason), Error);
  };
  refused("is not known to this version", [](Part& p) { p.config["task"] = "divination"; });
  refused("is not a kind of head", [](Part& p) { p.config["kind"] = "oracle"; });
  refused("\"width\" is missing", [](Part& p) { p.config.erase("width"); });
  refused("or of another type", [](Part& p) { p.config["class_names"] = 3; });
  refused("3 class names, 2 of them distinct", [](Part& p) { p.config["class_names"] = {"a", "a", "b"}; });
  refused("takes features of width 0", [](Part& p) { p.config["width"] = 0; });
  refused("standardise.mean is [13], not float32 [12]", [](Part& p) { p.config["width"] = 12; });
  refused("tensor neighbours is missing", [](Part& p) { p.tensors.erase("neighbours"); });
  refused("tensor standardise.mean is missing", [](Part& p) { p.tensors.erase("standardise.mean"); });
  refused("not positive", [](Part& p) { p.tensors.at("standardise.deviation").as<float>()[2] = 0; });
  refused("not finite",
          [](Part& p) { p.tensors.at("neighbours").as<float>()[7] = std::numeric_limits<float>::infinity(); });
  refused("not float [N, 13] and int32 [N]",
          [](Part& p) { p.tensors.at("neighbour_labels") = Tensor(DType::i32, {4}); });
  refused("asks for 90 neighbours of 89 samples", [](Part& p) { p.config["k"] = 90; });
  refused("has class 3 of 3", [](Part& p) { p.tensors.at("neighbour_labels").as<std::int32_t>()[1] = 3; });
  refused("is not a way to vote", [](Part& p) { p.config["vote"] = "loudest"; });
  refused("takes samples of 0 rows", [](Part& p) { p.config["input"]["rows"] = 0; });
}

TEST_CASE("head: one class against the rest: probabilities are sigmoids, divided by their sum") {
  HeadDescription description;
  description.width = 1;
  description.class_names = {"a", "b", "c"};
  description.one_vs_rest = true;
  std::map<std::string, Tensor> tensors;
  tensors.emplace("layers.0.weight", Tensor::of<float>({3, 1}, {1, 2, -1}));
  tensors.emplace("layers.0.bias", Tensor::of<float>({3}, {0.5F, 0, 0}));
  const NetworkHead head(description, Network({.inputs = 1, .outputs = 3, .hidden = {}}, tensors));
  const auto again = Head::from(head.to_part());
  CHECK(again->description().one_vs_rest);
  ThreadPool pool(1);
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const Tensor scores = again->scores(Tensor::of<float>({2, 1}, {0.7F, -2}), pool);
  for (std::size_t i = 0; i < 2; ++i) {
    const double x = i == 0 ? 0.7 : -2;
    const double shares[] = {sigmoid(x + 0.5), sigmoid(2 * x), sigmoid(-x)}, sum = shares[0] + shares[1] + shares[2];
    for (std::size_t c = 0; c < 3; ++c) CHECK(scores.row<float>(i)[c] == doctest::Approx(shares[c] / sum));
  }
  // All sigmoids vanish in float32, their shares do not.
  std::vector<float> tiny = {-200, -201, -300};
  one_vs_rest_rows(tiny, 3);
  CHECK(tiny[0] == doctest::Approx(1 / (1 + std::exp(-1.0))));
  CHECK(tiny[1] == doctest::Approx(1 / (1 + std::exp(1.0))));

  Part part = head.to_part();
  part.config["scores"] = "runes";
  CHECK_THROWS_WITH_AS(Head::from(part), doctest::Contains("not known to this version"), Error);
}

TEST_CASE("regression head: an mlp and a sigmoid are kept in the part; outputs can be rescaled") {
  RegressionHead head;
  head.network = Network({.inputs = 2, .outputs = 2, .hidden = {3}}, 7);
  head.standardisation = {{0, 0}, {1, 1}};
  head.input.rows = 1;
  ThreadPool pool(1);
  const Tensor x = Tensor::of<float>({1, 2}, {0.4F, -0.3F});
  const Tensor before = RegressionHead::from(head.to_part()).predict(x, pool);
  head.network.rescale_outputs(std::vector<float>{10, 1}, std::vector<float>{5, 0});
  const Tensor scaled = RegressionHead::from(head.to_part()).predict(x, pool);
  CHECK(scaled.as<float>()[0] == doctest::Approx(10 * before.as<float>()[0] + 5));
  CHECK(scaled.as<float>()[1] == before.as<float>()[1]);
  head.sigmoid = true;
  const Tensor shares = RegressionHead::from(head.to_part()).predict(x, pool);
  CHECK(shares.as<float>()[1] == doctest::Approx(1 / (1 + std::exp(-double{before.as<float>()[1]}))));
  Part part = head.to_part();
  part.config["output"] = "runes";
  CHECK_THROWS_AS(RegressionHead::from(part), Error);
}

TEST_CASE("head: kinds are named with a hyphen or an underscore") {
  CHECK(head_kind_named("nearest-mean") == HeadKind::nearest_mean);
  CHECK(head_kind_named("nearest_mean") == HeadKind::nearest_mean);
  CHECK_THROWS_AS(head_kind_named("nearest mean"), Error);
}

}  // namespace
}  // namespace mt
