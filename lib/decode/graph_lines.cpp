#include <algorithm>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
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

class Reader {
 public:
  Reader(const std::filesystem::path& file, const GraphLimits& limits)
      : name_(file.string()), stem_(percent_escaped(file.filename().string())), limits_(limits) {}

  GraphSet read(const std::string& text) {
    LineScanner lines(text, name_, '\0');
    std::size_t begin = 0;
    while (lines.next_line()) {
      const std::string where = lines.where();
      add(parse_json(std::string_view(text).substr(begin, lines.position() - begin), where), where);
      begin = lines.position();
    }
    if (set_.size() == 0) throw Error(name_, "holds no graphs");
    for (ClassLabels* labels : {&set_.node_labels, &set_.edge_labels, &set_.classes, &set_.node_classes}) {
      labels->finish();
      if (labels->names().empty()) *labels = ClassLabels();
    }
    return std::move(set_);
  }

 private:
  void add(const nlohmann::json& graph, const std::string& where) {
    if (!graph.is_object()) throw Error(where, "is not a JSON object");
    const std::uint64_t nodes = count_nodes(graph, where);
    if (nodes > limits_.max_nodes - set_.nodes())
      throw Error(where, fmt::format("brings more than {} nodes", limits_.max_nodes));
    const nlohmann::json& edges = list(graph, "edges", std::nullopt, where);
    if (edges.size() > limits_.max_edges - set_.edges.size())
      throw Error(where, fmt::format("brings more than {} edges", limits_.max_edges));
    for (const auto& edge : edges) {
      if (!edge.is_array() || edge.size() != 2) throw Error(where, "has an edge that is not a pair of nodes");
      set_.edges.push_back({node_of(edge[0], nodes, where), node_of(edge[1], nodes, where)});
    }
    add_kinds(graph, "node_labels", nodes, where, set_.node_labels);
    add_kinds(graph, "node_classes", nodes, where, set_.node_classes);
    add_kinds(graph, "edge_labels", edges.size(), where, set_.edge_labels);
    add_rows(graph, "node_attributes", nodes, where, set_.node_columns, set_.node_attributes);
    add_rows(graph, "edge_attributes", edges.size(), where, set_.edge_columns, set_.edge_attributes);
    add_targets(graph, where);
    set_.classes.add(graph.contains("label") ? name_of(graph["label"], where, "label") : "");
    const std::string id = graph.contains("id") ? name_of(graph["id"], where, "id") : "";
    set_.ids.push_back(id.empty() ? fmt::format("{}#{}", stem_, set_.size()) : percent_escaped(id));
    set_.node_offsets.push_back(set_.nodes() + nodes);
    set_.edge_offsets.push_back(set_.edges.size());
  }

  static std::uint64_t count_nodes(const nlohmann::json& graph, const std::string& where) {
    if (graph.contains("nodes")) {
      if (graph["nodes"].is_number_unsigned()) return graph["nodes"].get<std::uint64_t>();
      throw Error(where, "nodes is not how many there are");
    }
    for (const char* key : {"node_labels", "node_attributes", "node_classes"}) {
      if (graph.contains(key)) return graph[key].size();
    }
    throw Error(where, "does not say how many nodes there are", "give it the key \"nodes\"");
  }

  static const nlohmann::json& list(const nlohmann::json& graph, const char* key, std::optional<std::uint64_t> length,
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

  static void add_kinds(const nlohmann::json& graph, const char* key, std::uint64_t length, const std::string& where,
                        ClassLabels& labels) {
    if (!graph.contains(key)) return labels.add_unknown(length);
    for (const auto& entry : list(graph, key, length, where)) labels.add(name_of(entry, where, key));
  }

  // The first graph decides how many columns there are.
  void add_rows(const nlohmann::json& graph, const char* key, std::uint64_t length, const std::string& where,
                std::vector<std::string>& columns, std::vector<float>& values) const {
    const nlohmann::json& rows = list(graph, key, graph.contains(key) ? std::optional(length) : std::nullopt, where);
    if (set_.size() == 0 && !rows.empty() && rows[0].is_array()) {
      if (rows[0].size() > kMostColumns)
        throw Error(where, fmt::format("{} has more than {} columns", key, kMostColumns));
      for (std::size_t c = 0; c < rows[0].size(); ++c) columns.push_back(fmt::format("{}{}", key, c + 1));
    }
    if (!columns.empty() && length > 0 && rows.empty())
      throw Error(where, fmt::format("lacks {}, which the first graph has", key));
    for (const auto& row : rows) {
      if (!row.is_array() || row.size() != columns.size()) {
        throw Error(where, fmt::format("{} has a row that is not {} numbers", key, columns.size()));
      }
      for (const auto& value : row) values.push_back(number_of(value, where, key));
    }
  }

  void add_targets(const nlohmann::json& graph, const std::string& where) {
    const nlohmann::json& targets = list(graph, "targets", std::nullopt, where);
    if (set_.size() == 0) {
      for (std::size_t c = 0; c < std::min(targets.size(), kMostColumns); ++c)
        set_.target_names.push_back(fmt::format("target{}", c + 1));
    }
    if (targets.size() != set_.target_names.size()) {
      throw Error(where,
                  fmt::format("has {} targets, the first graph has {}", targets.size(), set_.target_names.size()));
    }
    for (const auto& value : targets) set_.targets.push_back(number_of(value, where, "targets"));
  }

  std::string name_, stem_;
  GraphLimits limits_;
  GraphSet set_;
};

}  // namespace

GraphSet read_graph_lines(const std::filesystem::path& file, const GraphLimits& limits) {
  return Reader(file, limits).read(read_text_file(file, kMaxFile));
}

}  // namespace mt
