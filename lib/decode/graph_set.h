// Graphs as data sets hold them: TU folders, edge and node tables, JSON lines, Planetoid text.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "decode/class_labels.h"

namespace mt {

// All graphs laid end to end. Nodes are numbered within their graph, edges are directed as they were written; self
// loops and equal edges are kept. A data set is in memory whole: 8 bytes an edge, and what its columns take.
struct GraphSet {
  std::vector<std::string> ids;                         // [graphs]
  std::vector<std::uint64_t> node_offsets = {0};        // [graphs + 1]
  std::vector<std::uint64_t> edge_offsets = {0};        // [graphs + 1]
  std::vector<std::array<std::uint32_t, 2>> edges;      // from, to
  std::vector<std::string> node_names;                  // [nodes], or empty: numbers
  ClassLabels node_labels, edge_labels;                 // kinds of nodes and edges: input; empty: none
  std::vector<std::string> node_columns, edge_columns;  // names of numbers
  std::vector<float> node_attributes, edge_attributes;  // [nodes, columns], [edges, columns]
  ClassLabels classes, node_classes;                    // of graphs and of nodes: to be predicted; empty: none
  std::vector<std::string> target_names;                // of graphs
  std::vector<float> targets;                           // [graphs, target_names]
  std::vector<std::string> faults;  // [graphs], or empty: why one cannot be used; "" for a whole one

  std::size_t size() const { return ids.size(); }
  std::size_t nodes() const { return node_offsets.back(); }
  std::size_t nodes_of(std::size_t graph) const { return node_offsets[graph + 1] - node_offsets[graph]; }
  std::size_t graph_of(std::size_t node) const {
    const auto behind = std::upper_bound(node_offsets.begin(), node_offsets.end(), node);
    return static_cast<std::size_t>(behind - node_offsets.begin()) - 1;
  }
  std::size_t edges_of(std::size_t graph) const { return edge_offsets[graph + 1] - edge_offsets[graph]; }
};

struct GraphLimits {
  std::uint64_t max_nodes = std::uint64_t{1} << 28, max_edges = std::uint64_t{1} << 28;  // of all graphs
};

struct GraphInputs {
  // One of: a TU folder (the directory that holds NAME_A.txt), a .content file of Planetoid (its .cites beside it), a
  // file of JSON lines (.jsonl, .ndjson, .json), or an edge table (CSV or TSV, with a header).
  std::filesystem::path input;
  std::filesystem::path nodes, graphs;  // tables that belong to an edge table; may be empty
  GraphLimits limits;
};
// What is wrong within one graph is a fault of that graph. Throws Error, naming file and line: beyond the limits,
// faults of no graph in particular, no whole graph.
GraphSet read_graphs(const GraphInputs& inputs);

// NAME_A.txt "i, j" counted from 1 through all graphs, NAME_graph_indicator.txt the graph of each node; optional
// NAME_graph_labels.txt, NAME_node_labels.txt, NAME_edge_labels.txt (a kind for each distinct row), and
// NAME_node_attributes.txt, NAME_edge_attributes.txt, NAME_graph_attributes.txt (targets).
GraphSet read_tu(const std::filesystem::path& folder, const GraphLimits& limits);

// {"id": "a", "nodes": 3, "edges": [[0, 1], [1, 2]], "label": "ring"} a line; optional node_labels, edge_labels,
// node_classes (a text or number each), node_attributes, edge_attributes (a list of numbers each), targets (numbers).
// A line that is no graph like the first whole one has a fault and no nodes.
GraphSet read_graph_lines(const std::filesystem::path& file, const GraphLimits& limits);

// NAME.content "id feature... class" and NAME.cites "cited citing": one graph, whose nodes have classes. Citations of
// papers that the content lacks are left out.
GraphSet read_planetoid(const std::filesystem::path& content, const GraphLimits& limits);

// Edges: columns source, target; optional graph, label; other columns are numbers. Nodes: id; optional graph, label,
// class; other columns are numbers. Graphs: id, class. Without a node table nodes are those that edges name; without a
// column graph there is one graph.
GraphSet read_edge_table(const GraphInputs& inputs);

}  // namespace mt
