// Graphs as sequences: their nodes, then their directed edges, as TokenGT has them (Kim et al., NeurIPS 2022).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "decode/graph_set.h"
#include "store/model.h"
#include "store/schema.h"
#include "tokenize/pipeline.h"

namespace mt {

enum class NodeIdentifiers : std::uint8_t { laplacian, orthogonal };
std::string_view name_of(NodeIdentifiers identifiers);

// graph: a sample is a graph. node: a sample is a node, seen in its neighbourhood.
enum class GraphLevel : std::uint8_t { graph, node };
std::string_view name_of(GraphLevel level);

// What fitting takes from training data: names of kinds, and means and deviations of numbers.
struct GraphStatistics {
  std::vector<std::string> node_kinds, edge_kinds;
  std::vector<std::string> node_columns, edge_columns;
  std::vector<float> node_mean, node_deviation, edge_mean, edge_deviation;
};
// Of the samples at these positions of the list alone. node_kinds: whether the nodes' kinds are input; they are not
// where they are what is to be predicted.
GraphStatistics graph_statistics(const GraphSet& set, GraphLevel level, const std::vector<std::size_t>& samples,
                                 bool node_kinds);

struct GraphTokenization {
  GraphLevel level = GraphLevel::graph;
  NodeIdentifiers identifiers = NodeIdentifiers::laplacian;
  std::size_t identifier_width = 16;
  bool loops_as_nodes = false;                    // TokenGT types a self loop like a node
  std::size_t hops = 2, max_nodes = 64;           // of a node's neighbourhood
  std::size_t max_tokens = std::size_t{1} << 20;  // nodes and edges of a sample; larger ones are rejected
  GraphStatistics statistics;
  std::uint64_t seed = 0;

  // 2 identifiers, then the node's numbers, then the edge's; what a row is not has zeros.
  std::size_t patch_size() const {
    return 2 * identifier_width + statistics.node_columns.size() + statistics.edge_columns.size();
  }
  // Rows of the table of kinds: unknown node, node kinds, unknown edge, edge kinds.
  std::size_t kinds() const { return statistics.node_kinds.size() + statistics.edge_kinds.size() + 2; }

  void store(Part& part) const;                     // everything but max_tokens and the seed
  static GraphTokenization from(const Part& part);  // throws Error
};

// Columns of /codes.
inline constexpr std::size_t kGraphCodes = 4;  // type, kind, from, to
enum GraphType : std::int32_t { kNodeToken = 0, kEdgeToken = 1, kCentreToken = 2 };

class GraphSamples : public SampleMaker {
 public:
  // The set must outlive this. samples: their positions in the list of graphs, or of all nodes. Throws Error when the
  // set lacks columns that the statistics have.
  GraphSamples(const GraphSet& set, GraphTokenization tokenization, std::vector<std::size_t> samples);
  // What sample i of the set is called: "graph", or "graph#node".
  static std::string id(const GraphSet& set, GraphLevel level, std::size_t i);

  nlohmann::json config() const;  // what decides the rows: becomes part of mt_config
  Schema schema() const;          // of patches; creator, source and config are the caller's to complete

  std::size_t size() const override { return samples_.size(); }
  std::string id(std::size_t i) const override { return id(set_, tokenization_.level, samples_[i]); }
  bool has_labels() const override { return !labels().names().empty(); }
  std::int32_t label(std::size_t i) const override { return has_labels() ? labels()[samples_[i]] : -1; }
  Digest digest(std::size_t i) const override;
  Batch empty_batch() const override;
  Digest make(std::size_t i, Batch& batch) const override;

 private:
  // A graph cut out of the set: nodes and edges by their numbers in the set, and edges in the sample's own numbers.
  struct Cut {
    std::vector<std::size_t> nodes, edges;
    std::vector<std::array<std::uint32_t, 2>> ends;
    bool centred = false;  // the first node is the one in question
  };
  Cut cut(std::size_t sample) const;  // by its position in the set
  Cut whole(std::size_t graph) const;
  Cut neighbourhood(std::size_t node) const;
  Digest digest_of(const Cut& cut) const;
  const ClassLabels& labels() const;
  void index_edges();
  void append_node(const Cut& cut, std::size_t place, std::span<const float> identifier, Batch& batch) const;
  void append_edge(const Cut& cut, std::size_t place, const Tensor& identifiers, Batch& batch) const;

  const GraphSet& set_;
  GraphTokenization tokenization_;
  std::vector<std::size_t> samples_;
  std::vector<std::int32_t> node_kind_, edge_kind_;  // of the set's kinds: the row of the table of kinds
  std::vector<std::uint64_t> incident_offsets_;      // node level: edges at each node, in either direction
  std::vector<std::uint64_t> incident_;
};

}  // namespace mt
