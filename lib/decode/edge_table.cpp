#include <algorithm>
#include <limits>
#include <memory>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "decode/delimited.h"
#include "decode/graph_faults.h"
#include "decode/graph_set.h"

namespace mt {

namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

// A table with a header: some columns by name, the others numbers.
class Table {
 public:
  Table(const std::filesystem::path& path, const std::vector<std::string>& required,
        const std::vector<std::string>& optional)
      : reader_(path) {
    if (!reader_.next(header_)) throw Error(path.string(), "has no header");
    for (const std::string& name : required) named_[name] = column_named(header_, name, reader_.where());
    for (const std::string& name : optional) {
      const auto found = std::ranges::find(header_, name);
      named_[name] = found == header_.end() ? kNone : static_cast<std::size_t>(found - header_.begin());
    }
    for (std::size_t c = 0; c < header_.size(); ++c) {
      if (std::ranges::none_of(named_, [c](const auto& entry) { return entry.second == c; })) numbers_.push_back(c);
    }
  }

  bool next() { return reader_.next(fields_); }
  bool has(const std::string& name) const { return named_.at(name) != kNone; }
  // "" where the table has no such column.
  std::string text(const std::string& name) const { return has(name) ? fields_[named_.at(name)] : std::string(); }
  std::vector<std::string> columns() const {
    std::vector<std::string> names;
    for (const std::size_t c : numbers_) names.push_back(header_[c]);
    return names;
  }
  // Of the columns in their order: overwrites row. Throws Error.
  void numbers(std::vector<float>& row) const {
    row.clear();
    for (const std::size_t c : numbers_) {
      const auto number = parse_double(trimmed(fields_[c]));
      if (!number) {
        throw Error(where(), fmt::format("column \"{}\" holds \"{}\", not a number", printable(header_[c]),
                                         printable(fields_[c].substr(0, 40))));
      }
      row.push_back(static_cast<float>(*number));
    }
  }
  std::string where() const { return reader_.where(); }

 private:
  DelimitedReader reader_;
  std::vector<std::string> header_, fields_;
  std::unordered_map<std::string, std::size_t> named_;
  std::vector<std::size_t> numbers_;
};

class Reader {
 public:
  explicit Reader(const GraphInputs& inputs) : inputs_(inputs) {}

  GraphSet read() {
    if (!inputs_.nodes.empty()) read_nodes();
    read_edges();
    arrange();
    if (!inputs_.graphs.empty()) read_graphs();
    set_.faults = std::move(faults_).of(set_.size());
    return std::move(set_);
  }

 private:
  // Nodes and edges in the order of the files, with the graph of each.
  struct Node {
    std::uint32_t graph, number;
  };

  std::uint32_t graph_named(const std::string& name) {
    const auto [found, added] = graphs_.emplace(name, static_cast<std::uint32_t>(graphs_.size()));
    if (added) {
      graph_names_.push_back(name);
      sizes_.push_back(0);
    }
    return found->second;
  }

  // Names of nodes belong to their graph.
  static std::string key_of(std::uint32_t graph, const std::string& name) { return fmt::format("{}\n{}", graph, name); }

  std::uint32_t add_node(std::uint32_t graph, const std::string& name, const std::string& where) {
    if (nodes_.size() == inputs_.limits.max_nodes)
      throw Error(where, fmt::format("is one node more than {}", inputs_.limits.max_nodes));
    numbers_.emplace(key_of(graph, name), static_cast<std::uint32_t>(nodes_.size()));
    nodes_.push_back({graph, sizes_[graph]++});
    names_.push_back(name);
    return static_cast<std::uint32_t>(nodes_.size() - 1);
  }

  void read_nodes() {
    Table table(inputs_.nodes, {"id"}, {"graph", "label", "class"});
    set_.node_columns = table.columns();
    has_node_labels_ = table.has("label");
    has_node_classes_ = table.has("class");
    while (table.next()) {
      const std::uint32_t graph = graph_named(table.text("graph"));
      std::vector<float> row;
      try {
        if (numbers_.contains(key_of(graph, table.text("id")))) {
          throw Error(table.where(), fmt::format("has the id \"{}\" of an earlier node", printable(table.text("id"))));
        }
        table.numbers(row);
      } catch (const Error& error) {
        faults_.add(graph, error);
        row.assign(set_.node_columns.size(), 0);
      }
      add_node(graph, table.text("id"), table.where());
      labels_.push_back(table.text("label"));
      classes_.push_back(table.text("class"));
      attributes_.insert(attributes_.end(), row.begin(), row.end());
    }
  }

  std::uint32_t node_named(std::uint32_t graph, const std::string& name, const std::string& where) {
    const auto found = numbers_.find(key_of(graph, name));
    if (found != numbers_.end()) return found->second;
    if (!inputs_.nodes.empty())
      throw Error(where, fmt::format("names the node \"{}\", which the node table lacks", printable(name)));
    return add_node(graph, name, where);
  }

  void read_edges() {
    Table table(inputs_.input, {"source", "target"}, {"graph", "label"});
    set_.edge_columns = table.columns();
    has_edge_labels_ = table.has("label");
    while (table.next()) {
      if (edges_.size() == inputs_.limits.max_edges)
        throw Error(table.where(), fmt::format("is one edge more than {}", inputs_.limits.max_edges));
      const std::uint32_t graph = graph_named(table.text("graph"));
      try {
        const std::uint32_t from = node_named(graph, table.text("source"), table.where()),
                            to = node_named(graph, table.text("target"), table.where());
        std::vector<float> row;
        table.numbers(row);
        edges_.push_back({from, to});
        edge_labels_.push_back(table.text("label"));
        edge_attributes_.insert(edge_attributes_.end(), row.begin(), row.end());
      } catch (const Error& error) {
        faults_.add(graph, error);
      }
    }
    if (nodes_.empty()) throw Error(inputs_.input.string(), "names no nodes");
  }

  // Sorts nodes and edges by graph, each in the files' order.
  void arrange() {
    const std::size_t graphs = graph_names_.size();
    for (std::size_t g = 0; g < graphs; ++g) {
      const std::string stem = percent_escaped(inputs_.input.stem().string());
      set_.ids.push_back(graph_names_[g].empty() ? stem : percent_escaped(graph_names_[g]));
      set_.node_offsets.push_back(set_.node_offsets.back() + sizes_[g]);
    }
    std::vector<std::size_t> order(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) order[set_.node_offsets[nodes_[i].graph] + nodes_[i].number] = i;
    for (const std::size_t i : order) {
      set_.node_names.push_back(names_[i]);
      if (has_node_labels_) set_.node_labels.add(labels_[i]);
      if (has_node_classes_) set_.node_classes.add(classes_[i]);
      append(attributes_, i, set_.node_columns.size(), set_.node_attributes);
    }
    std::vector<std::vector<std::size_t>> of_graph(graphs);
    for (std::size_t e = 0; e < edges_.size(); ++e) of_graph[nodes_[edges_[e].first].graph].push_back(e);
    for (const auto& list : of_graph) {
      for (const std::size_t e : list) {
        set_.edges.push_back({nodes_[edges_[e].first].number, nodes_[edges_[e].second].number});
        if (has_edge_labels_) set_.edge_labels.add(edge_labels_[e]);
        append(edge_attributes_, e, set_.edge_columns.size(), set_.edge_attributes);
      }
      set_.edge_offsets.push_back(set_.edges.size());
    }
    set_.node_labels.finish();
    set_.node_classes.finish();
    set_.edge_labels.finish();
  }

  static void append(const std::vector<float>& rows, std::size_t i, std::size_t width, std::vector<float>& out) {
    const auto first = rows.begin() + static_cast<std::ptrdiff_t>(i * width);
    out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(width));
  }

  void read_graphs() {
    Table table(inputs_.graphs, {"id", "class"}, {});
    set_.target_names = table.columns();
    std::vector<std::string> classes(set_.size());
    std::vector<bool> known(set_.size());
    set_.targets.resize(set_.size() * set_.target_names.size());
    while (table.next()) {
      const auto found = graphs_.find(table.text("id"));
      if (found == graphs_.end())
        throw Error(table.where(),
                    fmt::format("names the graph \"{}\", which has no nodes", printable(table.text("id"))));
      try {
        if (known[found->second])
          throw Error(table.where(), fmt::format("names the graph \"{}\" again", printable(table.text("id"))));
        known[found->second] = true;
        classes[found->second] = table.text("class");
        std::vector<float> row;
        table.numbers(row);
        std::ranges::copy(row, set_.targets.begin() + static_cast<std::ptrdiff_t>(found->second * row.size()));
      } catch (const Error& error) {
        faults_.add(found->second, error);
      }
    }
    for (std::size_t g = 0; g < set_.size() && !set_.target_names.empty(); ++g) {
      if (!known[g]) faults_.add(g, Error(inputs_.graphs.string(), "has no row for this graph"));
    }
    for (const std::string& name : classes) set_.classes.add(name);
    set_.classes.finish();
  }

  GraphInputs inputs_;
  GraphSet set_;
  GraphFaults faults_;
  std::unordered_map<std::string, std::uint32_t> graphs_, numbers_;
  std::vector<std::string> graph_names_, names_, labels_, classes_, edge_labels_;
  std::vector<std::uint32_t> sizes_;
  std::vector<Node> nodes_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> edges_;
  std::vector<float> attributes_, edge_attributes_;
  bool has_node_labels_ = false, has_node_classes_ = false, has_edge_labels_ = false;
};

}  // namespace

GraphSet read_edge_table(const GraphInputs& inputs) { return Reader(inputs).read(); }

}  // namespace mt
