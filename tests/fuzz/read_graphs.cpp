// Any text gives an Error or graphs whose parts belong together. The first byte chooses the format; files of a format
// with several lie one behind the other, parted by a line of "%".
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "base/error.h"
#include "decode/graph_set.h"

namespace {

namespace fs = std::filesystem;

const fs::path& folder() {
  static const fs::path path = [] {
    std::string name = (fs::temp_directory_path() / "mt-fuzz-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    return fs::path(name);
  }();
  return path;
}

void write(const char* name, std::string_view text) { std::ofstream(folder() / name, std::ios::binary) << text; }

// The parts between lines of "%"; missing ones are empty.
std::vector<std::string_view> parts_of(std::string_view text, std::size_t count) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < count) {
    const std::size_t at = text.find("%\n");
    parts.push_back(text.substr(0, at));
    text = at == text.npos ? std::string_view() : text.substr(at + 2);
  }
  parts.push_back(text);
  return parts;
}

mt::GraphSet read(int format, std::string_view text) {
  const mt::GraphLimits limits{1 << 14, 1 << 14};
  if (format == 0) {
    write("g.jsonl", text);
    return mt::read_graph_lines(folder() / "g.jsonl", limits);
  }
  if (format == 1) {
    const auto parts = parts_of(text, 2);
    write("c.content", parts[0]);
    write("c.cites", parts[1]);
    return mt::read_planetoid(folder() / "c.content", limits);
  }
  if (format == 2) {
    const auto parts = parts_of(text, 3);
    write("e.csv", parts[0]);
    write("n.csv", parts[1]);
    write("g.csv", parts[2]);
    return mt::read_edge_table({folder() / "e.csv", folder() / "n.csv", folder() / "g.csv", limits});
  }
  fs::create_directory(folder() / "S");
  const auto parts = parts_of(text, 5);
  write("S/S_A.txt", parts[0]);
  write("S/S_graph_indicator.txt", parts[1]);
  write("S/S_graph_labels.txt", parts[2]);
  write("S/S_edge_labels.txt", parts[3]);
  write("S/S_node_attributes.txt", parts[4]);
  return mt::read_tu(folder() / "S", limits);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    const mt::GraphSet set = read(data[0] % 4, {reinterpret_cast<const char*>(data + 1), size - 1});
    if (set.node_offsets.size() != set.size() + 1 || set.edge_offsets.size() != set.size() + 1) std::abort();
    if (set.edge_offsets.back() != set.edges.size()) std::abort();
    if (set.node_attributes.size() != set.nodes() * set.node_columns.size()) std::abort();
    if (set.edge_attributes.size() != set.edges.size() * set.edge_columns.size()) std::abort();
    if (set.edge_labels.size() != 0 && set.edge_labels.size() != set.edges.size()) std::abort();
    for (std::size_t g = 0; g < set.size(); ++g) {
      for (std::size_t e = set.edge_offsets[g]; e < set.edge_offsets[g + 1]; ++e) {
        if (set.edges[e][0] >= set.nodes_of(g) || set.edges[e][1] >= set.nodes_of(g)) std::abort();
      }
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
