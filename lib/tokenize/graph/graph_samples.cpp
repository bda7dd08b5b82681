#include "tokenize/graph/graph_samples.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "tokenize/graph/node_identifiers.h"

namespace mt {

namespace {

// Rows of the table of kinds for a set's own kinds: those that training did not see are unknown.
std::vector<std::int32_t> rows_of_kinds(const ClassLabels& kinds, const std::vector<std::string>& known,
                                        std::size_t unknown) {
  std::vector<std::int32_t> rows;
  for (const std::string& name : kinds.names()) {
    const auto found = std::ranges::find(known, name);
    rows.push_back(static_cast<std::int32_t>(
        found == known.end() ? unknown : unknown + 1 + static_cast<std::size_t>(found - known.begin())));
  }
  return rows;
}

std::int32_t kind_row(const ClassLabels& kinds, const std::vector<std::int32_t>& rows, std::size_t i,
                      std::size_t unknown) {
  const std::int32_t kind = kinds.size() == 0 ? -1 : kinds[i];
  return kind < 0 ? static_cast<std::int32_t>(unknown) : rows[static_cast<std::size_t>(kind)];
}

void require_columns(const std::vector<std::string>& found, const std::vector<std::string>& expected,
                     const char* what) {
  if (found == expected) return;
  throw Error("graphs",
              fmt::format("their {} have the columns {}, the tokenizer was fitted to {}", what,
                          found.empty() ? "none" : listed(found), expected.empty() ? "none" : listed(expected)),
              "give data like the training data");
}

// z-scores of one row's numbers.
void append_scaled(std::span<const float> values, const std::vector<float>& mean, const std::vector<float>& deviation,
                   std::string_view what, float* out) {
  for (std::size_t c = 0; c < values.size(); ++c) {
    out[c] = (values[c] - mean[c]) / deviation[c];
    if (!std::isfinite(out[c]))
      throw Error("", fmt::format("{} has a number that is NaN or infinite", what), "mend the data");
  }
}

std::uint64_t key_of(const Digest& digest) {
  std::uint64_t key = 0;
  std::memcpy(&key, digest.data(), sizeof key);
  return key;
}

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::span<const float> row_of(const std::vector<float>& values, std::size_t i, std::size_t width) {
  return std::span(values).subspan(i * width, width);
}

}  // namespace

GraphSamples::GraphSamples(const GraphSet& set, GraphTokenization tokenization, std::vector<std::size_t> samples)
    : set_(set), tokenization_(std::move(tokenization)), samples_(std::move(samples)) {
  const GraphStatistics& statistics = tokenization_.statistics;
  require_columns(set_.node_columns, statistics.node_columns, "nodes");
  require_columns(set_.edge_columns, statistics.edge_columns, "edges");
  node_kind_ = rows_of_kinds(set_.node_labels, statistics.node_kinds, 0);
  edge_kind_ = rows_of_kinds(set_.edge_labels, statistics.edge_kinds, statistics.node_kinds.size() + 1);
  if (tokenization_.level == GraphLevel::node) index_edges();
}

const ClassLabels& GraphSamples::labels() const {
  return tokenization_.level == GraphLevel::graph ? set_.classes : set_.node_classes;
}

std::string GraphSamples::id(const GraphSet& set, GraphLevel level, std::size_t i) {
  if (level == GraphLevel::graph) return set.ids[i];
  const std::size_t graph = set.graph_of(i);
  if (!set.node_names.empty()) return fmt::format("{}#{}", set.ids[graph], percent_escaped(set.node_names[i]));
  return fmt::format("{}#{}", set.ids[graph], i - set.node_offsets[graph]);
}

// The edges at each node, once each, in their order.
void GraphSamples::index_edges() {
  incident_offsets_.assign(set_.nodes() + 1, 0);
  const auto for_each_end = [&](const auto& use) {
    for (std::size_t graph = 0; graph < set_.size(); ++graph) {
      for (std::size_t e = set_.edge_offsets[graph]; e < set_.edge_offsets[graph + 1]; ++e) {
        const auto [from, to] = set_.edges[e];
        use(set_.node_offsets[graph] + from, e);
        if (to != from) use(set_.node_offsets[graph] + to, e);
      }
    }
  };
  for_each_end([&](std::size_t node, std::size_t) { ++incident_offsets_[node + 1]; });
  std::partial_sum(incident_offsets_.begin(), incident_offsets_.end(), incident_offsets_.begin());
  incident_.resize(incident_offsets_.back());
  std::vector<std::uint64_t> next(incident_offsets_.begin(), incident_offsets_.end() - 1);
  for_each_end([&](std::size_t node, std::size_t e) { incident_[next[node]++] = e; });
}

GraphSamples::Cut GraphSamples::whole(std::size_t graph) const {
  Cut cut;
  cut.nodes.resize(set_.nodes_of(graph));
  std::iota(cut.nodes.begin(), cut.nodes.end(), set_.node_offsets[graph]);
  cut.edges.resize(set_.edges_of(graph));
  std::iota(cut.edges.begin(), cut.edges.end(), set_.edge_offsets[graph]);
  const auto first = set_.edges.begin() + static_cast<std::ptrdiff_t>(set_.edge_offsets[graph]);
  cut.ends.assign(first, first + static_cast<std::ptrdiff_t>(cut.edges.size()));
  return cut;
}

// Breadth first, both ways along edges. A hop that brings more nodes than there is room for is thinned out at random,
// by the seed and the node's number, so that hubs do not favour the nodes listed first. All edges among the nodes
// follow.
GraphSamples::Cut GraphSamples::neighbourhood(std::size_t node) const {
  const std::size_t first = set_.node_offsets[set_.graph_of(node)];
  const auto other_end = [&](std::size_t e, std::size_t at) {
    const auto [from, to] = set_.edges[e];
    return first + (first + from == at ? to : from);
  };
  Cut cut;
  cut.centred = true;
  cut.nodes = {node};
  std::unordered_map<std::size_t, std::uint32_t> place = {{node, 0}};
  for (std::size_t hop = 0, begin = 0; hop < tokenization_.hops && cut.nodes.size() < tokenization_.max_nodes; ++hop) {
    const std::size_t end = cut.nodes.size();
    std::vector<std::size_t> ring;
    for (std::size_t i = begin; i < end; ++i) {
      for (std::uint64_t k = incident_offsets_[cut.nodes[i]]; k < incident_offsets_[cut.nodes[i] + 1]; ++k) {
        ring.push_back(other_end(incident_[k], cut.nodes[i]));
      }
    }
    std::sort(ring.begin(), ring.end());
    ring.erase(std::unique(ring.begin(), ring.end()), ring.end());
    std::erase_if(ring, [&](std::size_t other) { return place.contains(other); });
    const std::size_t room = tokenization_.max_nodes - cut.nodes.size();
    if (ring.size() > room) {
      Random random(tokenization_.seed, stream_of("neighbourhood", node, hop));
      for (std::size_t i = 0; i < room; ++i) std::swap(ring[i], ring[i + random.below(ring.size() - i)]);
      ring.resize(room);
      std::sort(ring.begin(), ring.end());
    }
    for (const std::size_t other : ring) {
      place.emplace(other, static_cast<std::uint32_t>(cut.nodes.size()));
      cut.nodes.push_back(other);
    }
    begin = end;
  }
  for (const std::size_t at : cut.nodes) {
    for (std::uint64_t k = incident_offsets_[at]; k < incident_offsets_[at + 1]; ++k) {
      const std::size_t e = incident_[k];
      if (first + set_.edges[e][0] == at && place.contains(first + set_.edges[e][1])) cut.edges.push_back(e);
    }
  }
  std::sort(cut.edges.begin(), cut.edges.end());
  for (const std::size_t e : cut.edges) {
    cut.ends.push_back({place.at(first + set_.edges[e][0]), place.at(first + set_.edges[e][1])});
  }
  return cut;
}

GraphSamples::Cut GraphSamples::cut(std::size_t sample) const {
  if (tokenization_.level == GraphLevel::node) return neighbourhood(sample);
  if (!set_.faults.empty() && !set_.faults[sample].empty()) throw Error("", set_.faults[sample]);
  const std::size_t nodes = set_.nodes_of(sample), edges = set_.edges_of(sample);
  if (nodes + edges > tokenization_.max_tokens) {
    throw Error(printable(set_.ids[sample]),
                fmt::format("has {} nodes and {} edges, --max-tokens is {}", nodes, edges, tokenization_.max_tokens),
                "raise it, or tokenize --level node");
  }
  return whole(sample);
}

// Of structure, kinds by name and numbers: equal wherever the graph lies in its set.
Digest GraphSamples::digest_of(const Cut& cut) const {
  Sha256 digest;
  digest.update(fmt::format("{} {} {}", cut.centred, cut.nodes.size(), cut.edges.size())).update(bytes_of(cut.ends));
  const auto add = [&](const ClassLabels& kinds, const std::vector<float>& numbers, std::size_t width, std::size_t i) {
    if (kinds.size() > 0)
      digest.update(kinds[i] < 0 ? std::string("\n") : kinds.names()[static_cast<std::size_t>(kinds[i])] + "\n");
    const auto row = row_of(numbers, i, width);
    digest.update(std::as_bytes(row));
  };
  for (const std::size_t node : cut.nodes) add(set_.node_labels, set_.node_attributes, set_.node_columns.size(), node);
  for (const std::size_t edge : cut.edges) add(set_.edge_labels, set_.edge_attributes, set_.edge_columns.size(), edge);
  return digest.finish();
}

Digest GraphSamples::digest(std::size_t i) const { return digest_of(cut(samples_[i])); }

void GraphSamples::append_node(const Cut& cut, std::size_t place, std::span<const float> identifier,
                               Batch& batch) const {
  const GraphStatistics& statistics = tokenization_.statistics;
  const std::size_t t = batch.rows.rows(), k = tokenization_.identifier_width, node = cut.nodes[place];
  batch.rows.resize_rows(t + 1);
  const auto row = batch.rows.row<float>(t);
  std::ranges::copy(identifier, row.begin());
  std::ranges::copy(identifier, row.begin() + static_cast<std::ptrdiff_t>(k));
  append_scaled(row_of(set_.node_attributes, node, statistics.node_columns.size()), statistics.node_mean,
                statistics.node_deviation, "a node", row.data() + 2 * k);
  batch.codes.resize_rows(t + 1);
  const auto code = batch.codes.row<std::int32_t>(t);
  code[0] = cut.centred && place == 0 ? kCentreToken : kNodeToken;
  code[1] = kind_row(set_.node_labels, node_kind_, node, 0);
  code[2] = code[3] = static_cast<std::int32_t>(place);
}

void GraphSamples::append_edge(const Cut& cut, std::size_t place, const Tensor& identifiers, Batch& batch) const {
  const GraphStatistics& statistics = tokenization_.statistics;
  const std::size_t t = batch.rows.rows(), k = tokenization_.identifier_width;
  const auto [from, to] = cut.ends[place];
  batch.rows.resize_rows(t + 1);
  const auto row = batch.rows.row<float>(t);
  std::ranges::copy(identifiers.row<float>(from), row.begin());
  std::ranges::copy(identifiers.row<float>(to), row.begin() + static_cast<std::ptrdiff_t>(k));
  append_scaled(row_of(set_.edge_attributes, cut.edges[place], statistics.edge_columns.size()), statistics.edge_mean,
                statistics.edge_deviation, "an edge", row.data() + 2 * k + statistics.node_columns.size());
  batch.codes.resize_rows(t + 1);
  const auto code = batch.codes.row<std::int32_t>(t);
  code[0] = from == to && tokenization_.loops_as_nodes ? kNodeToken : kEdgeToken;
  code[1] = kind_row(set_.edge_labels, edge_kind_, cut.edges[place], statistics.node_kinds.size() + 1);
  code[2] = static_cast<std::int32_t>(from);
  code[3] = static_cast<std::int32_t>(to);
}

Digest GraphSamples::make(std::size_t i, Batch& batch) const {
  const Cut cut = this->cut(samples_[i]);
  if (cut.nodes.empty()) throw Error(printable(id(i)), "has no nodes");
  if (cut.nodes.size() + cut.edges.size() > tokenization_.max_tokens) {
    throw Error(printable(id(i)), fmt::format("has {} edges in its neighbourhood", cut.edges.size()),
                "lower --max-nodes");
  }
  const Digest digest = digest_of(cut);
  const std::size_t k = tokenization_.identifier_width;
  const Tensor identifiers =
      tokenization_.identifiers == NodeIdentifiers::laplacian
          ? laplacian_modes(cut.nodes.size(), cut.ends, k, printable(id(i))).vectors.to(DType::f32)
          : orthogonal_features(cut.nodes.size(), k, tokenization_.seed, key_of(digest));
  for (std::size_t n = 0; n < cut.nodes.size(); ++n) append_node(cut, n, identifiers.row<float>(n), batch);
  for (std::size_t e = 0; e < cut.edges.size(); ++e) append_edge(cut, e, identifiers, batch);
  if (const std::size_t targets = schema().target_width; targets > 0) {
    const std::size_t sample = batch.targets.rows();
    batch.targets.resize_rows(sample + 1);
    std::ranges::copy(row_of(set_.targets, samples_[i], targets), batch.targets.row<float>(sample).begin());
  }
  return digest;
}

nlohmann::json GraphSamples::config() const {
  nlohmann::json config = {{"modality", "graph"},
                           {"level", name_of(tokenization_.level)},
                           {"identifiers", name_of(tokenization_.identifiers)},
                           {"identifier_width", tokenization_.identifier_width},
                           {"loops_as_nodes", tokenization_.loops_as_nodes},
                           {"max_tokens", tokenization_.max_tokens}};
  if (tokenization_.level == GraphLevel::node) {
    config["hops"] = tokenization_.hops;
    config["max_nodes"] = tokenization_.max_nodes;
  }
  if (tokenization_.level == GraphLevel::node || tokenization_.identifiers == NodeIdentifiers::orthogonal) {
    config["seed"] = tokenization_.seed;
  }
  return config;
}

Schema GraphSamples::schema() const {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "graph";
  schema.width = tokenization_.patch_size();
  schema.code_width = kGraphCodes;
  schema.has_labels = has_labels();
  schema.label_names = labels().names();
  if (tokenization_.level == GraphLevel::graph) {
    schema.target_width = set_.target_names.size();
    schema.target_names = set_.target_names;
  }
  schema.positions = schema.pre_norm = false;
  return schema;
}

Batch GraphSamples::empty_batch() const {
  Batch batch;
  batch.rows = Tensor(DType::f32, {0, tokenization_.patch_size()});
  batch.codes = Tensor(DType::i32, {0, kGraphCodes});
  if (const std::size_t targets = schema().target_width; targets > 0) batch.targets = Tensor(DType::f32, {0, targets});
  return batch;
}

}  // namespace mt
