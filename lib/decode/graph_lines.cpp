#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "decode/graph_faults.h"
#include "decode/graph_set.h"
#include "decode/line_scanner.h"

namespace mt {

namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{8} << 30;
constexpr std::size_t kMostColumns = 4096;

// A kind as text: strings as they are, numbers and booleans as written, null unknown.
std::string name_of(const nlohmann::json& value, const std::string& where, const char* key) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return {};
  if (value.is_structured()) throw Error(where, fmt::format("{} holds {}, not a name", key, value.type_name()));
  return value.dump();
}

float number_of(const nlohmann::json& value, const std::string& where, const char* key) {
  if (!value.is_number()) throw Error(where, fmt::format("{} holds {}, not a number", key, value.type_name()));
  return static_cast<float>(value.get<double>());
}

std::uint32_t node_of(const nlohmann::json& value, std::uint64_t nodes, const std::string& where) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() < nodes) return value.get<std::uint32_t>();
  throw Error(where,
              fmt::format("an edge names the node {}, there are {} (counted from 0)", printable(value.dump()), nodes));
}

// One line's graph, before it is known whether all of it makes sense.
struct GraphLine {
  using Names = std::optional<std::vector<std::string>>;
  struct Rows {
    std::size_t columns = 0;
    std::vector<float> values;
  };

  explicit GraphLine(std::string name = {}) : id(std::move(name)) {}

  std::string id, label;
  std::uint64_t nodes = 0;
  std::vector<std::array<std::uint32_t, 2>> edges;
  Names node_labels, node_classes, edge_labels;
  Rows node_attributes, edge_attributes;
  std::vector<float> targets;
};

const nlohmann::json& list(const nlohmann::json& graph, const char* key, std::optional<std::uint64_t> length,
                           const std::string& where) {
  static const nlohmann::json kNone = nlohmann::json::array();
  const auto found = graph.find(key);
  if (found == graph.end()) return kNone;
  if (!found->is_array()) throw Error(where, fmt::format("{} is not a list", key));
  if (length && found->size() != *length) {
    throw Error(where, fmt::format("{} has {} entries, expected {}", key, found->size(), *length));
  }
  return *found;
}

std::uint64_t count_nodes(const nlohmann::json& graph, const std::string& where) {
  if (graph.contains("nodes")) {
    if (graph["nodes"].is_number_unsigned()) return graph["nodes"].get<std::uint64_t>();
    throw Error(where, "nodes is not how many there are");
  }
  for (const char* key : {"node_labels", "node_attributes", "node_classes"}) {
    if (graph.contains(key)) return graph[key].size();
  }
  throw Error(where, "does not say how many nodes there are", "give it the key \"nodes\"");
}

GraphLine::Names kinds_in(const nlohmann::json& graph, const char* key, std::uint64_t length,
                          const std::string& where) {
  if (!graph.contains(key)) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& entry : list(graph, key, length, where)) names.push_back(name_of(entry, where, key));
  return names;
}

// columns: how many the first graph has; nullopt: this is the first.
GraphLine::Rows rows_in(const nlohmann::json& graph, const char* key, std::uint64_t length, const std::string& where,
                        std::optional<std::size_t> columns) {
  GraphLine::Rows result;
  const nlohmann::json& rows = list(graph, key, graph.contains(key) ? std::optional(length) : std::nullopt, where);
  if (columns) {
    result.columns = *columns;
  } else if (!rows.empty() && rows[0].is_array()) {
    result.columns = rows[0].size();
    if (result.columns > kMostColumns)
      throw Error(where, fmt::format("{} has more than {} columns", key, kMostColumns));
  }
  if (result.columns > 0 && length > 0 && rows.empty())
    throw Error(where, fmt::format("lacks {}, which the first graph has", key));
  for (const auto& row : rows) {
    if (!row.is_array() || row.size() != result.columns) {
      throw Error(where, fmt::format("{} has a row that is not {} numbers", key, result.columns));
    }
    for (const auto& value : row) result.values.push_back(number_of(value, where, key));
  }
  return result;
}

class Reader {
 public:
  Reader(const std::filesystem::path& file, const GraphLimits& limits)
      : name_(file.string()), stem_(percent_escaped(file.filename().string())), limits_(limits) {}

  GraphSet read(const std::string& text) {
    LineScanner lines(text, name_, '\0');
    std::size_t begin = 0;
    while (lines.next_line()) {
      const std::string where = lines.where();
      GraphLine line;
      bool whole = true;
      try {
        parse(parse_json(std::string_view(text).substr(begin, lines.position() - begin), where), where, line);
      } catch (const Error& error) {
        faults_.add(set_.size(), error);
        whole = false;
        line = GraphLine(std::move(line.id));
        line.targets.resize(set_.target_names.size());
      }
      add(std::move(line), whole);
      begin = lines.position();
    }
    if (set_.size() == 0) throw Error(name_, "holds no graphs");
    set_.faults = std::move(faults_).of(set_.size());
    for (ClassLabels* labels : {&set_.node_labels, &set_.edge_labels, &set_.classes, &set_.node_classes}) {
      labels->finish();
      if (labels->names().empty()) *labels = ClassLabels();
    }
    return std::move(set_);
  }

 private:
  void parse(const nlohmann::json& graph, const std::string& where, GraphLine& line) const {
    if (!graph.is_object()) throw Error(where, "is not a JSON object");
    if (graph.contains("id")) line.id = name_of(graph["id"], where, "id");
    line.nodes = count_nodes(graph, where);
    if (line.nodes > limits_.max_nodes - set_.nodes())
      throw Error(where, fmt::format("brings more than {} nodes", limits_.max_nodes));
    const nlohmann::json& edges = list(graph, "edges", std::nullopt, where);
    if (edges.size() > limits_.max_edges - set_.edges.size())
      throw Error(where, fmt::format("brings more than {} edges", limits_.max_edges));
    for (const auto& edge : edges) {
      if (!edge.is_array() || edge.size() != 2) throw Error(where, "has an edge that is not a pair of nodes");
      line.edges.push_back({node_of(edge[0], line.nodes, where), node_of(edge[1], line.nodes, where)});
    }
    line.node_labels = kinds_in(graph, "node_labels", line.nodes, where);
    line.node_classes = kinds_in(graph, "node_classes", line.nodes, where);
    line.edge_labels = kinds_in(graph, "edge_labels", edges.size(), where);
    const auto known = [&](const std::vector<std::string>& columns) {
      return columns_known_ ? std::optional(columns.size()) : std::nullopt;
    };
    line.node_attributes = rows_in(graph, "node_attributes", line.nodes, where, known(set_.node_columns));
    line.edge_attributes = rows_in(graph, "edge_attributes", edges.size(), where, known(set_.edge_columns));
    const nlohmann::json& targets = list(graph, "targets", std::nullopt, where);
    if (columns_known_ ? targets.size() != set_.target_names.size() : targets.size() > kMostColumns) {
      throw Error(where, fmt::format("has {} targets, {}", targets.size(),
                                     columns_known_ ? fmt::format("the first graph has {}", set_.target_names.size())
                                                    : fmt::format("{} are the most", kMostColumns)));
    }
    for (const auto& value : targets) line.targets.push_back(number_of(value, where, "targets"));
    line.label = graph.contains("label") ? name_of(graph["label"], where, "label") : "";
  }

  // The first whole graph decides how many columns there are.
  void know_columns(const GraphLine& line) {
    columns_known_ = true;
    const auto name = [](const char* what, std::size_t count, std::vector<std::string>& names) {
      for (std::size_t c = 0; c < count; ++c) names.push_back(fmt::format("{}{}", what, c + 1));
    };
    name("node_attributes", line.node_attributes.columns, set_.node_columns);
    name("edge_attributes", line.edge_attributes.columns, set_.edge_columns);
    name("target", line.targets.size(), set_.target_names);
    set_.targets.resize(set_.size() * line.targets.size());  // of the graphs with faults before it
  }

  // Nothing is kept of kinds that no graph so far has named, however many nodes a graph may claim.
  static void add_kinds(const GraphLine::Names& kinds, std::uint64_t before, std::uint64_t length,
                        ClassLabels& labels) {
    if (!kinds && labels.size() == 0) return;
    if (labels.size() == 0) labels.add_unknown(before);
    if (!kinds) return labels.add_unknown(length);
    for (const std::string& name : *kinds) labels.add(name);
  }

  void add(GraphLine line, bool whole) {
    if (whole && !columns_known_) know_columns(line);
    add_kinds(line.node_labels, set_.nodes(), line.nodes, set_.node_labels);
    add_kinds(line.node_classes, set_.nodes(), line.nodes, set_.node_classes);
    add_kinds(line.edge_labels, set_.edges.size(), line.edges.size(), set_.edge_labels);
    const auto append = [](const auto& from, auto& to) { to.insert(to.end(), from.begin(), from.end()); };
    append(line.edges, set_.edges);
    append(line.node_attributes.values, set_.node_attributes);
    append(line.edge_attributes.values, set_.edge_attributes);
    append(line.targets, set_.targets);
    set_.classes.add(line.label);
    set_.ids.push_back(line.id.empty() ? fmt::format("{}#{}", stem_, set_.size()) : percent_escaped(line.id));
    set_.node_offsets.push_back(set_.nodes() + line.nodes);
    set_.edge_offsets.push_back(set_.edges.size());
  }

  std::string name_, stem_;
  GraphLimits limits_;
  bool columns_known_ = false;
  GraphFaults faults_;
  GraphSet set_;
};

}  // namespace

GraphSet read_graph_lines(const std::filesystem::path& file, const GraphLimits& limits) {
  return Reader(file, limits).read(read_text_file(file, kMaxFile));
}

}  // namespace mt
