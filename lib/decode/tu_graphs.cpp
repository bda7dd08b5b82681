#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "decode/graph_faults.h"
#include "decode/graph_set.h"
#include "decode/line_scanner.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{8} << 30;
constexpr std::size_t kMostColumns = 4096;
constexpr auto kNowhere = std::numeric_limits<std::uint64_t>::max();

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

// What the lines of a file are about: nodes, edges or graphs of the set.
struct Lines {
  std::uint64_t count = 0;                   // that the file must have
  std::uint64_t rows = 0;                    // that the set has of them
  std::vector<std::uint64_t> row = {};       // of each line, kNowhere for one that was left out; empty: in order
  std::vector<std::uint32_t> graph_of = {};  // of each line; empty: each line is a graph

  std::uint64_t row_of(std::uint64_t line) const { return row.empty() ? line : row[line]; }
  std::uint64_t graph(std::uint64_t line) const { return graph_of.empty() ? line : graph_of[line]; }
};

// Edges sorted by graph. One that leaves its graph is left out, and a fault of the graphs that it names.
Lines read_edges(const fs::path& folder, const std::string& name, const GraphLimits& limits,
                 const std::vector<std::uint32_t>& graph_of, GraphSet& set, GraphFaults& faults) {
  Table table(folder, name + "_A.txt", true);
  struct Edge {
    bool whole;
    std::uint32_t from, to;
  };
  std::vector<Edge> found;
  Lines result;
  LineScanner& lines = table.lines();
  while (lines.next_line()) {
    if (found.size() == limits.max_edges)
      throw Error(table.path(), fmt::format("has more than {} edges", limits.max_edges));
    std::optional<Error> fault;
    const auto node = [&]() -> std::optional<std::uint64_t> {
      try {
        return number_from_one(lines, graph_of.size(), "node") - 1;
      } catch (const Error& error) {
        if (!fault) fault = error;
        return std::nullopt;
      }
    };
    const auto from = node(), to = node();
    if (!from && !to) throw *fault;  // of no graph in particular
    const std::uint32_t graph = graph_of[from ? *from : *to];
    if (from && to && graph_of[*to] != graph) {
      fault = Error(lines.where(),
                    fmt::format("joins a node of graph {} with one of graph {}", graph + 1, graph_of[*to] + 1));
      faults.add(graph_of[*to], *fault);
    }
    if (fault) faults.add(graph, *fault);
    result.graph_of.push_back(graph);
    const std::uint64_t first = set.node_offsets[graph];
    found.push_back({!fault, static_cast<std::uint32_t>(fault ? 0 : *from - first),
                     static_cast<std::uint32_t>(fault ? 0 : *to - first)});
  }
  set.edge_offsets.assign(set.node_offsets.size(), 0);
  for (std::size_t e = 0; e < found.size(); ++e) {
    if (found[e].whole) ++set.edge_offsets[result.graph_of[e] + 1];
  }
  for (std::size_t g = 1; g < set.edge_offsets.size(); ++g) set.edge_offsets[g] += set.edge_offsets[g - 1];
  std::vector<std::uint64_t> next(set.edge_offsets.begin(), set.edge_offsets.end() - 1);
  set.edges.resize(set.edge_offsets.back());
  for (std::size_t e = 0; e < found.size(); ++e) {
    result.row.push_back(found[e].whole ? next[result.graph_of[e]]++ : kNowhere);
    if (found[e].whole) set.edges[result.row.back()] = {found[e].from, found[e].to};
  }
  result.count = found.size();
  result.rows = set.edges.size();
  return result;
}

Error wrong_length(const Table& table, std::uint64_t lines, std::uint64_t expected) {
  return {table.path(), fmt::format("has {} lines, expected {}", lines, expected)};
}

// Each line's words as one name. An absent file names nothing.
void read_kinds(const fs::path& folder, const std::string& file, const Lines& of, ClassLabels& labels) {
  Table table(folder, file, false);
  if (!table) return;
  std::vector<std::string> names(of.rows);
  std::uint64_t line = 0;
  for (; table.lines().next_line(); ++line) {
    if (line == of.count) throw wrong_length(table, line + 1, of.count);
    const std::uint64_t row = of.row_of(line);
    if (row == kNowhere) continue;
    while (const auto word = table.lines().word()) names[row] += (names[row].empty() ? "" : ",") + std::string(*word);
  }
  if (line != of.count) throw wrong_length(table, line, of.count);
  for (const std::string& name : names) labels.add(name);
  labels.finish();
}

void take_numbers(LineScanner& lines, std::span<float> out) {
  for (float& number : out) number = static_cast<float>(lines.number());
  if (!lines.at_end()) throw Error(lines.where(), fmt::format("has more than {} numbers", out.size()));
}

// The first line says how many columns there are. A line unlike it is a fault of its graph.
void read_numbers(const fs::path& folder, const std::string& file, const Lines& of, const std::string& column,
                  std::vector<std::string>& columns, std::vector<float>& values, GraphFaults& faults) {
  Table table(folder, file, false);
  if (!table) return;
  LineScanner& lines = table.lines();
  std::uint64_t line = 0;
  for (; lines.next_line(); ++line) {
    if (line == of.count) throw wrong_length(table, line + 1, of.count);
    if (line == 0) {
      while (lines.word() && columns.size() < kMostColumns)
        columns.push_back(fmt::format("{}{}", column, columns.size() + 1));
      lines.restart();
      values.resize(of.rows * columns.size());
    }
    const std::uint64_t row = of.row_of(line);
    if (row == kNowhere) continue;
    try {
      take_numbers(lines, std::span(values).subspan(row * columns.size(), columns.size()));
    } catch (const Error& error) {
      faults.add(of.graph(line), error);
    }
  }
  if (line != of.count) throw wrong_length(table, line, of.count);
}

}  // namespace

GraphSet read_tu(const fs::path& folder, const GraphLimits& limits) {
  const std::string name = name_in(folder);
  GraphSet set;
  GraphFaults faults;
  const std::vector<std::uint32_t> graph_of = read_indicator(folder, name, limits, set);
  const Lines edges = read_edges(folder, name, limits, graph_of, set, faults);
  const std::size_t count = set.node_offsets.size() - 1;
  const Lines graphs{count, count}, nodes{graph_of.size(), graph_of.size(), {}, graph_of};
  for (std::size_t g = 0; g < count; ++g) set.ids.push_back(fmt::format("{}#{}", percent_escaped(name), g + 1));
  read_kinds(folder, name + "_graph_labels.txt", graphs, set.classes);
  read_kinds(folder, name + "_node_labels.txt", nodes, set.node_labels);
  read_kinds(folder, name + "_edge_labels.txt", edges, set.edge_labels);
  const auto numbers = [&](const char* file, const Lines& of, const char* column, std::vector<std::string>& columns,
                           std::vector<float>& values) {
    read_numbers(folder, name + file, of, column, columns, values, faults);
  };
  numbers("_node_attributes.txt", nodes, "node", set.node_columns, set.node_attributes);
  numbers("_edge_attributes.txt", edges, "edge", set.edge_columns, set.edge_attributes);
  numbers("_graph_attributes.txt", graphs, "target", set.target_names, set.targets);
  set.node_classes = set.node_labels;  // at the level of nodes their kinds are what there is to predict
  set.faults = std::move(faults).of(count);
  return set;
}

}  // namespace mt
