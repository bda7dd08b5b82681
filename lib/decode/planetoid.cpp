#include <unordered_map>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "decode/graph_set.h"
#include "decode/line_scanner.h"

namespace mt {

namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{8} << 30;

}  // namespace

GraphSet read_planetoid(const std::filesystem::path& content, const GraphLimits& limits) {
  GraphSet set;
  std::unordered_map<std::string, std::uint32_t> number;
  const std::string where = content.string(), text = read_text_file(content, kMaxFile);
  LineScanner lines(text, where, '\0');
  while (lines.next_line()) {
    if (set.node_names.size() == limits.max_nodes)
      throw Error(where, fmt::format("has more than {} nodes", limits.max_nodes));
    if (set.node_names.empty()) {
      std::size_t words = 0;
      while (lines.word()) ++words;
      if (words < 2) throw Error(lines.where(), "has no class behind its id");
      for (std::size_t c = 0; c + 2 < words; ++c) set.node_columns.push_back(fmt::format("feature{}", c + 1));
      lines.restart();
    }
    const std::string name(*lines.word());
    if (!number.emplace(name, static_cast<std::uint32_t>(number.size())).second) {
      throw Error(lines.where(), fmt::format("has the id \"{}\" of an earlier line", printable(name)));
    }
    set.node_names.push_back(name);
    for (std::size_t c = 0; c < set.node_columns.size(); ++c)
      set.node_attributes.push_back(static_cast<float>(lines.number()));
    const auto label = lines.word();
    if (!label || !lines.at_end())
      throw Error(lines.where(), fmt::format("has not {} columns", set.node_columns.size() + 2));
    set.node_classes.add(*label);
  }
  if (set.node_names.empty()) throw Error(where, "names no nodes");
  set.node_classes.finish();

  std::filesystem::path cites = content;
  cites.replace_extension(".cites");
  const std::string citations = read_text_file(cites, kMaxFile);
  LineScanner pairs(citations, cites.string(), '\0');
  while (pairs.next_line()) {
    const auto cited = pairs.word(), citing = pairs.word();
    if (!citing || !pairs.at_end()) throw Error(pairs.where(), "is not a pair of ids");
    const auto to = number.find(std::string(*cited)), from = number.find(std::string(*citing));
    if (to == number.end() || from == number.end()) continue;
    if (set.edges.size() == limits.max_edges)
      throw Error(cites.string(), fmt::format("has more than {} edges", limits.max_edges));
    set.edges.push_back({from->second, to->second});
  }
  set.ids.push_back(percent_escaped(content.stem().string()));
  set.node_offsets.push_back(set.node_names.size());
  set.edge_offsets.push_back(set.edges.size());
  return set;
}

}  // namespace mt
