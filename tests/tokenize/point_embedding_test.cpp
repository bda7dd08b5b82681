#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "support/goldens.h"
#include "support/gradients.h"
#include "tokenize/point_cloud/point_cloud_samples.h"
#include "tokenize/point_cloud/point_embedding.h"

using namespace mt;

namespace {

PointCloudTokenization settings_of(std::size_t neighbors, std::size_t features) {
  PointCloudTokenization settings;
  settings.neighbors = neighbors;
  for (std::size_t c = 3; c < features; ++c) {
    settings.columns.push_back("column" + std::to_string(c));
    settings.deviations.push_back(1);
  }
  if (features > 3) settings.features = PointFeatures::dp_df;
  return settings;
}

Tensor tensor_of(const nlohmann::json& values, Shape shape) {
  return Tensor::of<float>(std::move(shape), values.get<std::vector<float>>());
}

// What PyTorch computed (tests/reference/make_point_cloud_goldens.py).
struct Network {
  nlohmann::json golden = test::golden("point_cloud")["network"];
  std::size_t neighbors = golden["neighbors"], features = golden["features"], width = golden["width"];
  Part part;
  std::vector<std::int64_t> offsets = {0, 3, 6};
  Tensor patches = tensor_of(golden["patches"], {6, neighbors* features});
  Tensor centers = tensor_of(golden["centers"], {6, 3}), none;
  PatchRows rows{patches, none, centers, none, offsets};

  Network() {
    part.config = {{"modality", "point-cloud"}, {"embedding", "mini-pointnet"}, {"width", width}};
    settings_of(neighbors, features).store(part);
    for (const auto& [name, tensor] : golden["tensors"].items()) {
      part.tensors[name] = tensor_of(tensor["values"], tensor["shape"].get<Shape>());
    }
  }
};

}  // namespace

TEST_CASE("point embedding: tokens and gradients are PyTorch's") {
  const Network network;
  PointEmbedding embedding(network.part);
  const Tensor tokens = embedding.forward(network.rows);
  CHECK(tokens.shape() == Shape{8, network.width});
  // float32 rounding through four products
  CHECK(test::relative_difference(tokens.as<float>(), network.golden["tokens"].get<std::vector<double>>()) < 3e-6);

  for (Parameter* parameter : embedding.parameters()) parameter->clear_gradient();
  ThreadPool pool(2);
  embedding.backward(network.rows, tensor_of(network.golden["slope"], {8, network.width}), pool);
  std::size_t compared = 0;
  for (const Parameter* parameter : embedding.parameters()) {
    CAPTURE(parameter->name);
    const auto expected = network.golden["gradients"].at(parameter->name).get<std::vector<double>>();
    CHECK(expected.size() == parameter->gradient.size());
    CHECK(test::relative_difference(parameter->gradient.as<float>(), expected) < 1e-5);
    ++compared;
  }
  CHECK(compared == network.golden["gradients"].size());
}

TEST_CASE("point embedding: the recommended sizes have the published numbers of parameters") {
  Part part;
  part.config["modality"] = "point-cloud";
  PointCloudTokenization().store(part);
  add_initial_point_embedding(part, 768, 1);
  PointEmbedding embedding(part);
  std::size_t position = 0, tokenizer = 0;
  for (const Parameter* parameter : embedding.parameters()) {
    if (parameter->name.starts_with("position")) {
      position += parameter->value.size();
    } else if (parameter->name != "cls") {
      tokenizer += parameter->value.size();
    }
  }
  const auto expected = test::golden("point_cloud")["parameters"];
  CHECK(position == 99584);
  CHECK(tokenizer == 690816);
  CHECK(position == expected["position"].get<std::size_t>());
  CHECK(tokenizer == expected["tokenizer"].get<std::size_t>());
  CHECK(digest_of(part) == [] {
    Part again;
    again.config["modality"] = "point-cloud";
    PointCloudTokenization().store(again);
    add_initial_point_embedding(again, 768, 1);
    return digest_of(again);
  }());
}

TEST_CASE("point embedding: a sequence's tokens do not depend on the others") {
  const Network network;
  const PointEmbedding embedding(network.part);
  const Tensor all = embedding.forward(network.rows);
  const Tensor patches = network.patches.rows_copy(3, 6), centers = network.centers.rows_copy(3, 6);
  const std::vector<std::int64_t> offsets = {0, 3};
  const Tensor alone = embedding.forward(PatchRows(patches, network.none, centers, network.none, offsets));
  CHECK(std::ranges::equal(alone.as<float>(), all.rows_copy(4, 8).as<float>()));
}

TEST_CASE("point embedding: calibrated norms leave every channel centred and of unit size") {
  Part part;
  part.config["modality"] = "point-cloud";
  PointCloudTokenization settings = settings_of(8, 3);
  settings.store(part);
  add_initial_point_embedding(part, 16, 3);
  PointEmbedding embedding(part);
  Tensor patches(DType::f32, {100, 24});
  Random(1).fill_normal(patches.as<float>(), 3, 0.01F);
  embedding.calibrate_norms(patches);
  embedding.store(part);
  // conv1's own mean and deviation, plainly
  const auto weight = std::as_const(part.tensors["conv1.weight"]).row<float>(5);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < 800; ++i) {
    double y = 0;
    for (std::size_t axis = 0; axis < 3; ++axis)
      y += double{weight[axis]} * std::as_const(patches).as<float>()[3 * i + axis];
    sum += y;
    squares += y * y;
  }
  const double mean = sum / 800;
  CHECK(part.tensors["norm1.running_mean"].as<float>()[5] == doctest::Approx(mean).epsilon(1e-5));
  CHECK(part.tensors["norm1.running_var"].as<float>()[5] == doctest::Approx(squares / 800 - mean * mean).epsilon(1e-3));
  CHECK_THROWS_AS(embedding.calibrate_norms(Tensor(DType::f32, {0, 24})), Error);
}

TEST_CASE("point embedding: parts that do not fit are refused") {
  const auto broken = [](const std::string& name, Tensor tensor) {
    Network network;
    network.part.tensors[name] = std::move(tensor);
    return network.part;
  };
  CHECK_THROWS_AS(PointEmbedding(broken("conv2.weight", Tensor(DType::f32, {7, 5}))), Error);
  CHECK_THROWS_AS(PointEmbedding(broken("norm1.running_mean", Tensor(DType::f32, {5}))), Error);
  CHECK_THROWS_AS(PointEmbedding(broken("position.fc2.weight", Tensor(DType::f32, {9, 4}))), Error);
  Tensor infinite(DType::f32, {6, 4});
  infinite.as<float>()[3] = INFINITY;
  CHECK_THROWS_AS(PointEmbedding(broken("conv1.weight", std::move(infinite))), Error);
  Network network;
  network.part.config["neighbors"] = 0;
  CHECK_THROWS_AS(PointEmbedding(network.part), Error);
}
