#include <array>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "support/goldens.h"
#include "tokenize/graph/node_identifiers.h"

using namespace mt;

namespace {

using Edges = std::vector<std::array<std::uint32_t, 2>>;

// The largest |L v - value v| over all modes, by the definition.
double worst_residual(std::size_t nodes, const Edges& edges, const LaplacianModes& modes, std::size_t k) {
  std::vector<std::array<std::uint32_t, 2>> pairs;
  for (const auto& [u, v] : edges) {
    pairs.push_back({u, v});
    pairs.push_back({v, u});
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  std::vector<double> degree(nodes);
  for (const auto& pair : pairs) ++degree[pair[0]];
  for (double& d : degree) d = std::max(d, 1.0);
  double worst = 0;
  for (std::size_t j = 0; j < k; ++j) {
    std::vector<double> image(nodes);
    for (std::size_t i = 0; i < nodes; ++i) image[i] = modes.vectors.row<double>(i)[j];
    for (const auto& [u, v] : pairs) image[u] -= modes.vectors.row<double>(v)[j] / std::sqrt(degree[u] * degree[v]);
    for (std::size_t i = 0; i < nodes; ++i) {
      worst = std::max(worst, std::abs(image[i] - modes.values.as<double>()[j] * modes.vectors.row<double>(i)[j]));
    }
  }
  return worst;
}

double worst_product(std::size_t nodes, const LaplacianModes& modes, std::size_t k) {
  double worst = 0;
  for (std::size_t a = 0; a < k; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      double product = 0;
      for (std::size_t i = 0; i < nodes; ++i)
        product += modes.vectors.row<double>(i)[a] * modes.vectors.row<double>(i)[b];
      worst = std::max(worst, std::abs(product - (a == b ? 1 : 0)));
    }
  }
  return worst;
}

Edges path(std::uint32_t nodes) {
  Edges edges;
  for (std::uint32_t i = 0; i + 1 < nodes; ++i) edges.push_back({i, i + 1});
  return edges;
}

Edges grid(std::uint32_t side) {
  Edges edges;
  for (std::uint32_t i = 0; i < side * side; ++i) {
    if (i % side + 1 < side) edges.push_back({i, i + 1});
    if (i + side < side * side) edges.push_back({i, i + side});
  }
  return edges;
}

Edges random_edges(std::uint32_t nodes, std::size_t count, std::uint64_t seed) {
  Random random(seed);
  Edges edges;
  for (std::size_t e = 0; e < count; ++e) {
    edges.push_back({static_cast<std::uint32_t>(random.below(nodes)), static_cast<std::uint32_t>(random.below(nodes))});
  }
  return edges;
}

// The iterative solvers against the dense one.
void check_iterative(std::size_t nodes, const Edges& edges, double residual) {
  const LaplacianModes dense = laplacian_modes(nodes, edges, 16, "dense", nodes);
  const LaplacianModes iterative = laplacian_modes(nodes, edges, 16, "iterative", 1);
  for (std::size_t j = 0; j < 16; ++j) {
    CHECK(std::abs(dense.values.as<double>()[j] - iterative.values.as<double>()[j]) < 1e-9);
  }
  CHECK(worst_residual(nodes, edges, iterative, 16) < residual);
  CHECK(worst_product(nodes, iterative, 16) < 1e-6);
}

}  // namespace

TEST_CASE("laplacian modes: agree with NumPy up to the basis of an eigenspace, signs included") {
  for (const auto& graph : test::golden("graph")["modes"]) {
    CAPTURE(graph["name"].get<std::string>());
    const std::size_t nodes = graph["nodes"];
    const auto edges = graph["edges"].get<Edges>();
    const auto values = graph["values"].get<std::vector<double>>();
    const LaplacianModes modes = laplacian_modes(nodes, edges, 16, "graph");
    for (std::size_t j = 0; j < values.size(); ++j) CHECK(std::abs(modes.values.as<double>()[j] - values[j]) < 1e-9);
    for (std::size_t j = values.size(); j < 16; ++j) CHECK(std::isnan(modes.values.as<double>()[j]));
    const auto diagonal = graph["diagonal"].get<std::vector<double>>();
    for (std::size_t i = 0; i < nodes; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < graph["whole"].get<std::size_t>(); ++j)
        sum += std::pow(modes.vectors.row<double>(i)[j], 2);
      CHECK(std::abs(sum - diagonal[i]) < 1e-8);
    }
    for (const auto& [column, vector] : graph["vectors"].items()) {
      const std::size_t j = std::stoul(column);
      for (std::size_t i = 0; i < nodes; ++i) {
        CHECK(std::abs(modes.vectors.row<double>(i)[j] - vector[i].get<double>()) < 1e-7);
      }
    }
    if (nodes < 16) CHECK(modes.vectors.row<double>(0)[15] == 0);
  }
}

TEST_CASE("laplacian modes: the iterative solvers agree with the dense one") {
  check_iterative(500, path(500), 1e-7);
  check_iterative(400, grid(20), 1e-6);  // eigenvalues come in pairs
  check_iterative(300, random_edges(300, 1500, 1), 1e-5);
  Edges star;
  for (std::uint32_t i = 1; i < 300; ++i) star.push_back({0, i});  // eigenvalue 1 has 298 dimensions
  check_iterative(300, star, 1e-6);
  check_iterative(300, random_edges(300, 200, 2), 1e-6);  // many components, nodes without edges
}

TEST_CASE("laplacian modes: sparse graphs of many nodes are solved") {
  CHECK(worst_residual(20000, path(20000), laplacian_modes(20000, path(20000), 16, "path"), 16) < 1e-9);
  CHECK(worst_residual(2500, grid(50), laplacian_modes(2500, grid(50), 16, "grid"), 16) < 1e-7);
  const LaplacianModes isolated = laplacian_modes(100000, {}, 16, "isolated");
  CHECK(isolated.values.as<double>()[15] == 1);
  Edges pairs;
  for (std::uint32_t i = 0; i < 50000; ++i) pairs.push_back({2 * i, 2 * i + 1});
  CHECK(laplacian_modes(100000, pairs, 16, "pairs").values.as<double>()[15] == 0);
}

TEST_CASE("laplacian modes: no nodes, one node, one with a loop") {
  CHECK(laplacian_modes(0, {}, 16, "graph").vectors.shape() == Shape{0, 16});
  const LaplacianModes one = laplacian_modes(1, {}, 16, "graph");
  CHECK(one.values.as<double>()[0] == 1);
  CHECK(one.vectors.as<double>()[0] == 1);
  CHECK(laplacian_modes(1, Edges{{0, 0}}, 16, "graph").values.as<double>()[0] == doctest::Approx(0));
}

TEST_CASE("orthogonal features: rows of length 1, orthogonal where the graph is small, by seed and key") {
  const Tensor small = orthogonal_features(10, 16, 1, 2);
  for (std::size_t a = 0; a < 10; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      double product = 0;
      for (std::size_t j = 0; j < 16; ++j) product += double{small.row<float>(a)[j]} * small.row<float>(b)[j];
      CHECK(std::abs(product - (a == b ? 1 : 0)) < 1e-6);
    }
    CHECK(small.row<float>(a)[12] == 0);
  }
  const auto equal = [&](const Tensor& other) { return std::ranges::equal(small.as<float>(), other.as<float>()); };
  CHECK(equal(orthogonal_features(10, 16, 1, 2)));
  CHECK(!equal(orthogonal_features(10, 16, 2, 2)));
  CHECK(!equal(orthogonal_features(10, 16, 1, 3)));
  const Tensor large = orthogonal_features(1000, 16, 1, 2);
  double length = 0;
  for (const float value : large.row<float>(77)) length += value * value;
  CHECK(length == doctest::Approx(1));
}
