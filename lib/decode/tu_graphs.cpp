#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "decode/graph_set.h"
#include "decode/line_scanner.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{8} << 30;
constexpr std::size_t kMostColumns = 4096;

// One of the folder's text files, line by line; absent: nothing.
class Table {
 public:
  Table(const fs::path& folder, const std::string& name, bool required) : path_((folder / name).string()) {
    std::error_code error;
    if (!required && !fs::exists(path_, error)) return;
    text_ = read_text_file(path_, kMaxFile);
    lines_.emplace(text_, path_, '\0', " \t,");
  }
  explicit operator bool() const { return lines_.has_value(); }
  LineScanner& lines() { return *lines_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_, text_;
  std::optional<LineScanner> lines_;
};

std::string name_in(const fs::path& folder) {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with("_A.txt")) found.push_back(file.substr(0, file.size() - 6));
  }
  if (found.size() == 1) return found[0];
  throw Error(folder.string(),
              fmt::format("holds {} files named NAME_A.txt, one is a data set of graphs", found.size()),
              "name the folder of one TU data set");
}

// A whole number from 1 to most.
std::uint64_t number_from_one(LineScanner& lines, std::uint64_t most, const char* what) {
  const std::uint64_t number = lines.count();
  if (number >= 1 && number <= most) return number;
  throw Error(lines.where(), fmt::format("{} {} is not from 1 to {}", what, number, most));
}

// The number of the graph of each node, from 0; sets the offsets of nodes.
std::vector<std::uint32_t> read_indicator(const fs::path& folder, const std::string& name, const GraphLimits& limits,
                                          GraphSet& set) {
  Table table(folder, name + "_graph_indicator.txt", true);
  std::vector<std::uint32_t> graph_of;
  while (table.lines().next_line()) {
    if (graph_of.size() == limits.max_nodes)
      throw Error(table.path(), fmt::format("has more than {} nodes", limits.max_nodes));
    const std::uint64_t graph = table.lines().count();
    const std::uint64_t latest = graph_of.empty() ? 0 : graph_of.back() + 1;
    if (graph < std::max<std::uint64_t>(1, latest) || graph > latest + 1 + graph_of.size() ||
        graph > limits.max_nodes) {
      throw Error(table.lines().where(), fmt::format("graph {} follows graph {}", graph, latest),
                  "nodes must lie in the graphs' order");
    }
    while (set.node_offsets.size() < graph) set.node_offsets.push_back(graph_of.size());  // graphs without nodes too
    graph_of.push_back(static_cast<std::uint32_t>(graph - 1));
  }
  if (graph_of.empty()) throw Error(table.path(), "names no nodes");
  set.node_offsets.push_back(graph_of.size());
  return graph_of;
}

// Edges sorted by graph; gives the place of each of the file's edges in that order.
std::vector<std::uint64_t> read_edges(const fs::path& folder, const std::string& name, const GraphLimits& limits,
                                      const std::vector<std::uint32_t>& graph_of, GraphSet& set) {
  Table table(folder, name + "_A.txt", true);
  struct Edge {
    std::uint32_t graph, from, to;
  };
  std::vector<Edge> found;
  LineScanner& lines = table.lines();
  while (lines.next_line()) {
    if (found.size() == limits.max_edges)
      throw Error(table.path(), fmt::format("has more than {} edges", limits.max_edges));
    const auto from = number_from_one(lines, graph_of.size(), "node") - 1,
               to = number_from_one(lines, graph_of.size(), "node") - 1;
    const std::uint32_t graph = graph_of[from];
    if (graph_of[to] != graph)
      throw Error(lines.where(),
                  fmt::format("joins a node of graph {} with one of graph {}", graph + 1, graph_of[to] + 1));
    const std::uint64_t first = set.node_offsets[graph];
    found.push_back({graph, static_cast<std::uint32_t>(from - first), static_cast<std::uint32_t>(to - first)});
  }
  set.edge_offsets.assign(set.node_offsets.size(), 0);
  for (const Edge& edge : found) ++set.edge_offsets[edge.graph + 1];
  for (std::size_t g = 1; g < set.edge_offsets.size(); ++g) set.edge_offsets[g] += set.edge_offsets[g - 1];
  std::vector<std::uint64_t> next(set.edge_offsets.begin(), set.edge_offsets.end() - 1), place;
  set.edges.resize(found.size());
  for (const Edge& edge : found) {
    place.push_back(next[edge.graph]++);
    set.edges[place.back()] = {edge.from, edge.to};
  }
  return place;
}

Error wrong_length(const Table& table, std::uint64_t rows, std::uint64_t expected) {
  return {table.path(), fmt::format("has {} lines, expected {}", rows, expected)};
}

// Each row's words as one name, in the order place[row]. Gives false when there is no such file.
bool read_kinds(const fs::path& folder, const std::string& file, std::uint64_t rows,
                const std::vector<std::uint64_t>* place, ClassLabels& labels) {
  Table table(folder, file, false);
  if (!table) return false;
  std::vector<std::string> names(rows);
  std::uint64_t row = 0;
  for (; table.lines().next_line(); ++row) {
    if (row == rows) throw wrong_length(table, row + 1, rows);
    std::string& name = names[place != nullptr ? (*place)[row] : row];
    while (const auto word = table.lines().word()) name += (name.empty() ? "" : ",") + std::string(*word);
  }
  if (row != rows) throw wrong_length(table, row, rows);
  for (const std::string& name : names) labels.add(name);
  labels.finish();
  return true;
}

void read_numbers(const fs::path& folder, const std::string& file, std::uint64_t rows,
                  const std::vector<std::uint64_t>* place, const std::string& column, std::vector<std::string>& columns,
                  std::vector<float>& values) {
  Table table(folder, file, false);
  if (!table) return;
  LineScanner& lines = table.lines();
  std::uint64_t row = 0;
  for (; lines.next_line(); ++row) {
    if (row == rows) throw wrong_length(table, row + 1, rows);
    if (row == 0) {
      while (lines.word() && columns.size() < kMostColumns)
        columns.push_back(fmt::format("{}{}", column, columns.size() + 1));
      lines.restart();
      values.resize(rows * columns.size());
    }
    float* out = values.data() + (place != nullptr ? (*place)[row] : row) * columns.size();
    for (std::size_t c = 0; c < columns.size(); ++c) out[c] = static_cast<float>(lines.number());
    if (!lines.at_end()) throw Error(lines.where(), fmt::format("has more than {} numbers", columns.size()));
  }
  if (row != rows) throw wrong_length(table, row, rows);
}

}  // namespace

GraphSet read_tu(const fs::path& folder, const GraphLimits& limits) {
  const std::string name = name_in(folder);
  GraphSet set;
  const std::vector<std::uint32_t> graph_of = read_indicator(folder, name, limits, set);
  const std::vector<std::uint64_t> place = read_edges(folder, name, limits, graph_of, set);
  const std::size_t graphs = set.node_offsets.size() - 1;
  for (std::size_t g = 0; g < graphs; ++g) set.ids.push_back(fmt::format("{}#{}", percent_escaped(name), g + 1));
  read_kinds(folder, name + "_graph_labels.txt", graphs, nullptr, set.classes);
  read_kinds(folder, name + "_node_labels.txt", graph_of.size(), nullptr, set.node_labels);
  read_kinds(folder, name + "_edge_labels.txt", place.size(), &place, set.edge_labels);
  read_numbers(folder, name + "_node_attributes.txt", graph_of.size(), nullptr, "node", set.node_columns,
               set.node_attributes);
  read_numbers(folder, name + "_edge_attributes.txt", place.size(), &place, "edge", set.edge_columns,
               set.edge_attributes);
  read_numbers(folder, name + "_graph_attributes.txt", graphs, nullptr, "target", set.target_names, set.targets);
  set.node_classes = set.node_labels;  // at the level of nodes their kinds are what there is to predict
  return set;
}

}  // namespace mt
