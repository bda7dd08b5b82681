#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "tokenize/graph/graph_samples.h"

namespace mt {

namespace {

const std::string kWhere = "tokenizer/graph";
constexpr std::size_t kMostIdentifiers = 1024, kMostNames = std::size_t{1} << 20;

// Mean and standard deviation (1 where it is 0) of each column over the rows taken. NaN is left out.
void fit_columns(const std::vector<float>& values, std::size_t width, const std::vector<bool>& taken,
                 std::vector<float>& mean, std::vector<float>& deviation) {
  for (std::size_t c = 0; c < width; ++c) {
    double sum = 0, squares = 0, count = 0;
    const auto for_each = [&](const auto& use) {
      for (std::size_t row = 0; row < taken.size(); ++row) {
        if (taken[row] && std::isfinite(values[row * width + c])) use(double{values[row * width + c]});
      }
    };
    for_each([&](double value) {
      sum += value;
      ++count;
    });
    const double average = count > 0 ? sum / count : 0;
    for_each([&](double value) { squares += (value - average) * (value - average); });
    const double spread = count > 0 ? std::sqrt(squares / count) : 0;
    mean.push_back(static_cast<float>(average));
    deviation.push_back(spread > 1e-6 * std::max(1.0, std::abs(average)) ? static_cast<float>(spread) : 1.0F);
  }
}

// The names that occur among what is taken, in the set's order.
std::vector<std::string> kinds_among(const ClassLabels& kinds, const std::vector<bool>& taken) {
  std::vector<bool> seen(kinds.names().size());
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (taken[i] && kinds[i] >= 0) seen[static_cast<std::size_t>(kinds[i])] = true;
  }
  std::vector<std::string> names;
  for (std::size_t k = 0; k < seen.size(); ++k) {
    if (seen[k]) names.push_back(kinds.names()[k]);
  }
  return names;
}

std::vector<std::string> names_in(const nlohmann::json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end()) return {};
  if (!found->is_array() || found->size() > kMostNames ||
      !std::ranges::all_of(*found, [](const auto& name) { return name.is_string(); })) {
    throw Error(kWhere, fmt::format("its {} are no names", key), "check the model with mt-inspect");
  }
  return found->get<std::vector<std::string>>();
}

std::size_t count_in(const nlohmann::json& config, const char* key, std::size_t least, std::size_t most) {
  const auto found = config.find(key);
  if (found != config.end() && found->is_number_unsigned() && found->get<std::size_t>() >= least &&
      found->get<std::size_t>() <= most) {
    return found->get<std::size_t>();
  }
  throw Error(kWhere, fmt::format("its {} is not from {} to {}", key, least, most), "check the model with mt-inspect");
}

std::vector<float> numbers_in(const Part& part, const std::string& name, std::size_t count, bool positive) {
  if (count == 0) return {};
  const Tensor tensor = part.at(name).to(DType::f32);
  const auto values = tensor.as<float>();
  if (values.size() != count ||
      !std::ranges::all_of(values, [&](float v) { return std::isfinite(v) && (!positive || v > 0); })) {
    throw Error(kWhere, fmt::format("{} does not fit its {} columns", name, count), "check the model with mt-inspect");
  }
  return {values.begin(), values.end()};
}

}  // namespace

std::string_view name_of(NodeIdentifiers identifiers) {
  return identifiers == NodeIdentifiers::laplacian ? "laplacian" : "orthogonal";
}
std::string_view name_of(GraphLevel level) { return level == GraphLevel::graph ? "graph" : "node"; }

GraphStatistics graph_statistics(const GraphSet& set, GraphLevel level, const std::vector<std::size_t>& samples,
                                 bool node_kinds) {
  std::vector<bool> nodes(set.nodes()), edges(set.edges.size());
  for (const std::size_t sample : samples) {
    const std::size_t graph = level == GraphLevel::graph ? sample : set.graph_of(sample);
    if (!set.faults.empty() && !set.faults[graph].empty()) continue;
    std::fill(edges.begin() + static_cast<std::ptrdiff_t>(set.edge_offsets[graph]),
              edges.begin() + static_cast<std::ptrdiff_t>(set.edge_offsets[graph + 1]), true);
    if (level == GraphLevel::node) {
      nodes[sample] = true;
    } else {
      std::fill(nodes.begin() + static_cast<std::ptrdiff_t>(set.node_offsets[graph]),
                nodes.begin() + static_cast<std::ptrdiff_t>(set.node_offsets[graph + 1]), true);
    }
  }
  GraphStatistics statistics;
  if (node_kinds) statistics.node_kinds = kinds_among(set.node_labels, nodes);
  statistics.edge_kinds = kinds_among(set.edge_labels, edges);
  statistics.node_columns = set.node_columns;
  statistics.edge_columns = set.edge_columns;
  fit_columns(set.node_attributes, set.node_columns.size(), nodes, statistics.node_mean, statistics.node_deviation);
  fit_columns(set.edge_attributes, set.edge_columns.size(), edges, statistics.edge_mean, statistics.edge_deviation);
  return statistics;
}

void GraphTokenization::store(Part& part) const {
  part.config["level"] = name_of(level);
  part.config["identifiers"] = name_of(identifiers);
  part.config["identifier_width"] = identifier_width;
  part.config["loops_as_nodes"] = loops_as_nodes;
  part.config["hops"] = hops;
  part.config["max_nodes"] = max_nodes;
  part.config["node_kinds"] = statistics.node_kinds;
  part.config["edge_kinds"] = statistics.edge_kinds;
  part.config["node_columns"] = statistics.node_columns;
  part.config["edge_columns"] = statistics.edge_columns;
  const auto put = [&part](const char* name, const std::vector<float>& values) {
    if (!values.empty()) part.tensors[name] = Tensor::of<float>({values.size()}, std::span(values));
  };
  put("node_mean", statistics.node_mean);
  put("node_deviation", statistics.node_deviation);
  put("edge_mean", statistics.edge_mean);
  put("edge_deviation", statistics.edge_deviation);
}

GraphTokenization GraphTokenization::from(const Part& part) {
  const nlohmann::json& config = part.config;
  const auto choice = [&](const char* key, std::string_view first, std::string_view second) {
    const std::string name = config.contains(key) && config[key].is_string() ? config[key].get<std::string>() : "";
    if (name != first && name != second) {
      throw Error(kWhere, fmt::format("its {} is neither {} nor {}", key, first, second),
                  "check the model with mt-inspect");
    }
    return name == second;
  };
  GraphTokenization tokenization;
  tokenization.level = choice("level", "graph", "node") ? GraphLevel::node : GraphLevel::graph;
  tokenization.identifiers =
      choice("identifiers", "laplacian", "orthogonal") ? NodeIdentifiers::orthogonal : NodeIdentifiers::laplacian;
  tokenization.identifier_width = count_in(config, "identifier_width", 1, kMostIdentifiers);
  tokenization.hops = count_in(config, "hops", 1, 1000);
  tokenization.max_nodes = count_in(config, "max_nodes", 1, std::size_t{1} << 20);
  tokenization.loops_as_nodes = config.contains("loops_as_nodes") && config["loops_as_nodes"] == true;
  GraphStatistics& statistics = tokenization.statistics;
  statistics.node_kinds = names_in(config, "node_kinds");
  statistics.edge_kinds = names_in(config, "edge_kinds");
  statistics.node_columns = names_in(config, "node_columns");
  statistics.edge_columns = names_in(config, "edge_columns");
  statistics.node_mean = numbers_in(part, "node_mean", statistics.node_columns.size(), false);
  statistics.node_deviation = numbers_in(part, "node_deviation", statistics.node_columns.size(), true);
  statistics.edge_mean = numbers_in(part, "edge_mean", statistics.edge_columns.size(), false);
  statistics.edge_deviation = numbers_in(part, "edge_deviation", statistics.edge_columns.size(), true);
  return tokenization;
}

}  // namespace mt
