#include "decode/graph_set.h"

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace fs = std::filesystem;

GraphSet read_graphs(const GraphInputs& inputs) {
  const std::string extension = lower_ascii(inputs.input.extension().string());
  std::error_code error;
  const bool table = inputs.nodes.empty() && inputs.graphs.empty();
  GraphSet set;
  if (fs::is_directory(inputs.input, error)) {
    set = read_tu(inputs.input, inputs.limits);
  } else if (extension == ".content") {
    set = read_planetoid(inputs.input, inputs.limits);
  } else if (extension == ".jsonl" || extension == ".ndjson" || extension == ".json") {
    set = read_graph_lines(inputs.input, inputs.limits);
  } else {
    return read_edge_table(inputs);
  }
  if (!table) throw UsageError("--nodes", "belongs to an edge table (CSV or TSV), not to " + inputs.input.string());
  return set;
}

}  // namespace mt
