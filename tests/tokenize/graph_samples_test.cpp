#include <array>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "support/goldens.h"
#include "support/gradients.h"
#include "tokenize/graph/graph_embedding.h"
#include "tokenize/graph/graph_samples.h"

using namespace mt;

namespace {

// A triangle with a loop, and a star of five leaves; kinds a and b, a number for each node.
GraphSet two_graphs() {
  GraphSet set;
  set.ids = {"triangle", "star"};
  set.node_offsets = {0, 3, 9};
  set.edges = {{0, 1}, {1, 2}, {2, 0}, {0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}};
  set.edge_offsets = {0, 4, 9};
  for (const char* kind : {"a", "b", "a", "b", "a", "a", "a", "a", "a"}) set.node_labels.add(kind);
  set.node_labels.finish();
  set.node_columns = {"mass"};
  set.node_attributes = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  set.classes.add("ring");
  set.classes.add("tree");
  set.classes.finish();
  for (int i = 0; i < 9; ++i) set.node_classes.add(i == 3 ? "hub" : "leaf");
  set.node_classes.finish();
  return set;
}

std::vector<std::size_t> all_of(std::size_t n) {
  std::vector<std::size_t> all(n);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

GraphTokenization fitted(const GraphSet& set, GraphLevel level = GraphLevel::graph) {
  GraphTokenization settings;
  settings.level = level;
  settings.identifier_width = 2;
  settings.statistics =
      graph_statistics(set, level, all_of(level == GraphLevel::graph ? set.size() : set.nodes()), true);
  return settings;
}

std::vector<std::int32_t> column(const Tensor& codes, std::size_t c) {
  std::vector<std::int32_t> values;
  for (std::size_t t = 0; t < codes.rows(); ++t) values.push_back(codes.row<std::int32_t>(t)[c]);
  return values;
}

std::string why(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("graph samples: nodes, then edges as written, with types, kinds and ends") {
  const GraphSet set = two_graphs();
  const GraphSamples samples(set, fitted(set), all_of(2));
  Batch batch = samples.empty_batch();
  CHECK(samples.make(0, batch) == samples.digest(0));
  CHECK(batch.rows.shape() == Shape{7, 5});
  CHECK(column(batch.codes, 0) == std::vector<std::int32_t>{0, 0, 0, 1, 1, 1, 1});
  // unknown node 0, a 1, b 2, unknown edge 3
  CHECK(column(batch.codes, 1) == std::vector<std::int32_t>{1, 2, 1, 3, 3, 3, 3});
  CHECK(column(batch.codes, 2) == std::vector<std::int32_t>{0, 1, 2, 0, 1, 2, 0});
  CHECK(column(batch.codes, 3) == std::vector<std::int32_t>{0, 1, 2, 1, 2, 0, 0});
  for (std::size_t j = 0; j < 2; ++j) {
    CHECK(batch.rows.row<float>(3)[j] == batch.rows.row<float>(0)[j]);
    CHECK(batch.rows.row<float>(3)[2 + j] == batch.rows.row<float>(1)[j]);
  }
  CHECK(batch.rows.row<float>(0)[4] == doctest::Approx((1 - 5) / std::sqrt(60.0 / 9)));  // z-score of 1 among 1..9
  CHECK(batch.rows.row<float>(3)[4] == 0);
  GraphTokenization loops = fitted(set);
  loops.loops_as_nodes = true;
  Batch typed = samples.empty_batch();
  GraphSamples(set, loops, all_of(2)).make(0, typed);
  CHECK(column(typed.codes, 0) == std::vector<std::int32_t>{0, 0, 0, 1, 1, 1, 0});
  CHECK(samples.label(1) == 1);
  CHECK(samples.id(1) == "star");
}

TEST_CASE("graph samples: a node leads its neighbourhood, which ends after hops and nodes") {
  const GraphSet set = two_graphs();
  GraphTokenization settings = fitted(set, GraphLevel::node);
  settings.hops = 1;
  const GraphSamples samples(set, settings, all_of(9));
  CHECK(samples.size() == 9);
  CHECK(samples.id(4) == "star#1");
  Batch batch = samples.empty_batch();
  samples.make(4, batch);  // a leaf sees the hub alone
  CHECK(batch.rows.rows() == 3);
  CHECK(column(batch.codes, 0) == std::vector<std::int32_t>{kCentreToken, kNodeToken, kEdgeToken});
  CHECK(column(batch.codes, 2)[2] == 1);  // the edge comes from the hub
  CHECK(samples.schema().label_names == std::vector<std::string>{"hub", "leaf"});
  CHECK(samples.label(3) == 0);

  settings.hops = 2;
  settings.max_nodes = 4;
  const auto cut = [&](std::uint64_t seed) {
    settings.seed = seed;
    Batch all = samples.empty_batch();
    GraphSamples(set, settings, all_of(9)).make(4, all);
    return all;
  };
  CHECK(cut(1).rows.rows() == 4 + 3);
  CHECK(std::ranges::equal(cut(1).rows.as<float>(), cut(1).rows.as<float>()));
}

TEST_CASE("graph samples: kinds that training did not have are unknown, statistics are of the samples taken") {
  const GraphSet set = two_graphs();
  GraphTokenization settings = fitted(set);
  settings.statistics = graph_statistics(set, GraphLevel::graph, {1}, true);
  CHECK(settings.statistics.node_mean == std::vector<float>{6.5F});
  settings.statistics.node_kinds = {"b"};
  const GraphSamples samples(set, settings, {0});
  Batch batch = samples.empty_batch();
  samples.make(0, batch);
  CHECK(column(batch.codes, 1) == std::vector<std::int32_t>{0, 1, 0, 2, 2, 2, 2});
  settings.statistics.node_columns = {"charge"};
  CHECK(why([&] { GraphSamples(set, settings, {0}); }) ==
        "graphs: their nodes have the columns mass, the tokenizer was fitted to charge (give data like the training "
        "data)");
}

TEST_CASE("graph samples: too large, empty, or with NaN: rejected by name") {
  GraphSet set = two_graphs();
  GraphTokenization settings = fitted(set);
  settings.max_tokens = 10;
  Batch batch = GraphSamples(set, settings, all_of(2)).empty_batch();
  CHECK(why([&] { GraphSamples(set, settings, all_of(2)).make(1, batch); }) ==
        "star: has 6 nodes and 5 edges, --max-tokens is 10 (raise it, or tokenize --level node)");
  set.node_attributes[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(why([&] { GraphSamples(set, settings, all_of(2)).make(0, batch); }) ==
        "a node has a number that is NaN or infinite (mend the data)");
  set.ids.push_back("nothing");
  set.node_offsets.push_back(9);
  set.edge_offsets.push_back(9);
  CHECK(why([&] { GraphSamples(set, settings, {2}).make(0, batch); }) == "nothing: has no nodes");
}

TEST_CASE("graph samples: settings go into a part and come back") {
  const GraphSet set = two_graphs();
  GraphTokenization settings = fitted(set, GraphLevel::node);
  settings.identifiers = NodeIdentifiers::orthogonal;
  settings.hops = 3;
  Part part;
  settings.store(part);
  const GraphTokenization back = GraphTokenization::from(part);
  CHECK(back.level == GraphLevel::node);
  CHECK(back.identifiers == NodeIdentifiers::orthogonal);
  CHECK(back.hops == 3);
  CHECK(back.statistics.node_kinds == std::vector<std::string>{"a", "b"});
  CHECK(back.statistics.node_deviation == settings.statistics.node_deviation);
  part.config["hops"] = -1;
  CHECK_THROWS_AS(GraphTokenization::from(part), Error);
}

TEST_CASE("graph embedding: tokens and gradients are PyTorch's") {
  const auto golden = test::golden("graph")["embedding"];
  const std::size_t width = golden["width"];
  Part part;
  part.config = {{"modality", "graph"}, {"embedding", "graph"}, {"width", width}};
  GraphTokenization settings;
  settings.identifier_width = 3;
  settings.statistics.node_kinds = {"a"};
  settings.statistics.edge_kinds = {"x"};
  settings.statistics.node_columns = {"mass"};
  settings.statistics.node_mean = {0};
  settings.statistics.node_deviation = {1};
  settings.store(part);
  for (const auto& [name, tensor] : golden["tensors"].items()) {
    part.tensors[name] = Tensor::of<float>(tensor["shape"].get<Shape>(), tensor["values"].get<std::vector<float>>());
  }
  GraphEmbedding embedding(part);
  const Tensor patches = Tensor::of<float>({6, 7}, golden["patches"].get<std::vector<float>>()), none;
  const Tensor codes = Tensor::of<std::int32_t>({6, 4}, golden["codes"].get<std::vector<std::int32_t>>());
  const std::vector<std::int64_t> offsets = {0, 3, 6};
  const PatchRows rows(patches, codes, none, none, offsets);
  embedding.require(rows, 1);
  const Tensor tokens = embedding.forward(rows);
  CHECK(tokens.shape() == Shape{10, width});
  // float32 rounding of a product and a norm
  CHECK(test::relative_difference(tokens.as<float>(), golden["tokens"].get<std::vector<double>>()) < 2e-6);
  for (Parameter* parameter : embedding.parameters()) parameter->clear_gradient();
  ThreadPool pool(2);
  embedding.backward(rows, Tensor::of<float>({10, width}, golden["slope"].get<std::vector<float>>()), pool);
  CHECK(embedding.parameters().size() == golden["gradients"].size());
  for (const Parameter* parameter : embedding.parameters()) {
    CAPTURE(parameter->name);
    const auto expected = golden["gradients"].at(parameter->name).get<std::vector<double>>();
    CHECK(test::relative_difference(parameter->gradient.as<float>(), expected) < 1e-5);
  }
  const Tensor beyond = Tensor::of<std::int32_t>({1, 4}, {0, 4, 0, 0}), patch(DType::f32, {1, 7});
  const std::vector<std::int64_t> one = {0, 1};
  CHECK_THROWS_AS(embedding.require(PatchRows(patch, beyond, none, none, one), 0), Error);
  part.tensors["kinds"] = Tensor(DType::f32, {3, width});
  CHECK_THROWS_AS(GraphEmbedding{part}, Error);
}
