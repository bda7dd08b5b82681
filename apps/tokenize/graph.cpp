#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "decode/graph_set.h"
#include "tokenize/graph/graph_embedding.h"
#include "tokenize/graph/graph_samples.h"
#include "tokenize/modality.h"
#include "tokenize/sequences.h"

namespace mt::tokenize {

namespace {

constexpr std::uint64_t kMaxList = std::uint64_t{1} << 30;  // bytes of ids

struct GraphOptions {
  SequenceOptions sequence;
  std::string input, nodes, graphs, only;
  std::string level, identifiers;
  std::optional<std::size_t> identifier_width, hops, max_nodes;
  std::size_t max_tokens = GraphTokenization().max_tokens;
  bool loops_as_nodes = false;
};

void add_options(CLI::App& app, GraphOptions& options) {
  app.add_option("INPUT", options.input,
                 "A TU folder, JSON lines, a Planetoid .content file, or an edge table (CSV or TSV)");
  const auto input = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Input");
  };
  input("--nodes", options.nodes, "FILE", "Node table of an edge table: id, and graph, label, class, numbers");
  input("--graphs", options.graphs, "FILE", "Table of its graphs: id, class, and numbers to be predicted");
  input("--only", options.only, "FILE", "Take only the samples whose ids this file lists, one a line");
  add_sequence_options(app, options.sequence);

  const auto graph = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Graph");
  };
  graph("--level", options.level, "graph|node", "A sample is a graph, or a node in its neighbourhood [graph]")
      ->check(CLI::IsMember({"graph", "node"}));
  graph("--identifiers", options.identifiers, "laplacian|orthogonal",
        "Of nodes: the Laplacian's slowest modes, or random directions [laplacian]")
      ->check(CLI::IsMember({"laplacian", "orthogonal"}));
  graph("--identifier-width", options.identifier_width, "N", "Numbers of an identifier [16]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1024}));
  graph("--hops", options.hops, "N", "Of a node's neighbourhood [2]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1000}));
  graph("--max-nodes", options.max_nodes, "N",
        "Of a node's neighbourhood; a hop beyond them is thinned out by the seed [64]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 20));
  graph("--max-tokens", options.max_tokens, "N", "Nodes and edges of a sample; a larger one is rejected")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 28))
      ->capture_default_str();
  app.add_flag("--loops-as-nodes", options.loops_as_nodes, "Type a self loop like a node, as TokenGT does")
      ->group("Graph");
  add_run_options(app, options.sequence.session);
}

// What the command line asks for; the rest as settings has it.
GraphTokenization with_options(GraphTokenization settings, const GraphOptions& options) {
  if (!options.level.empty()) settings.level = options.level == "node" ? GraphLevel::node : GraphLevel::graph;
  if (!options.identifiers.empty()) {
    settings.identifiers =
        options.identifiers == "orthogonal" ? NodeIdentifiers::orthogonal : NodeIdentifiers::laplacian;
  }
  settings.identifier_width = options.identifier_width.value_or(settings.identifier_width);
  settings.hops = options.hops.value_or(settings.hops);
  settings.max_nodes = options.max_nodes.value_or(settings.max_nodes);
  settings.loops_as_nodes = settings.loops_as_nodes || options.loops_as_nodes;
  settings.max_tokens = options.max_tokens;
  settings.seed = options.sequence.session.common.seed;
  return settings;
}

// What the model's tokenizer was fitted to cannot be asked for otherwise.
void require_same(const GraphTokenization& fitted, const GraphOptions& options) {
  const GraphTokenization asked = with_options(fitted, options);
  const auto refuse = [](const char* option) {
    throw UsageError(option, "differs from what the model's tokenizer was made with",
                     "leave the option out, or fit another tokenizer");
  };
  if (asked.level != fitted.level) refuse("--level");
  if (asked.identifiers != fitted.identifiers) refuse("--identifiers");
  if (asked.identifier_width != fitted.identifier_width) refuse("--identifier-width");
  if (asked.loops_as_nodes != fitted.loops_as_nodes) refuse("--loops-as-nodes");
}

// Positions of the samples to take: all, or those whose ids the file lists.
std::vector<std::size_t> chosen_samples(const GraphSet& set, GraphLevel level, const std::string& only) {
  const std::size_t all = level == GraphLevel::graph ? set.size() : set.nodes();
  std::vector<std::size_t> chosen(all);
  std::iota(chosen.begin(), chosen.end(), std::size_t{0});
  if (only.empty()) return chosen;
  const std::string text = read_text_file(only, kMaxList);
  std::unordered_set<std::string> wanted;
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) wanted.emplace(line);
  }
  std::erase_if(chosen, [&](std::size_t i) { return wanted.erase(GraphSamples::id(set, level, i)) == 0; });
  if (!wanted.empty()) {
    throw Error(only,
                fmt::format("\"{}\" and {} other ids are not among the {} samples", printable(*wanted.begin()),
                            wanted.size() - 1, all),
                fmt::format("ids look like \"{}\"", printable(GraphSamples::id(set, level, 0))));
  }
  return chosen;
}

void require_unique_ids(const GraphSet& set, const std::string& input) {
  std::unordered_set<std::string> seen;
  for (const std::string& id : set.ids) {
    if (!seen.insert(id).second)
      throw Error(input, fmt::format("two graphs have the id \"{}\"", printable(id)), "rename one");
  }
}

// Of the graphs that --max-tokens admits.
std::size_t mean_rows(const GraphSet& set, const GraphTokenization& settings) {
  std::size_t rows = 0, graphs = 0;
  for (std::size_t g = 0; g < set.size(); ++g) {
    const std::size_t tokens = set.nodes_of(g) + set.edges_of(g);
    if (tokens > settings.max_tokens) continue;
    rows += tokens;
    ++graphs;
  }
  return rows / std::max<std::size_t>(1, graphs) + 1;
}

// Nodes of a graph with a fault would be missing without a word.
void require_whole(const GraphSet& set, GraphLevel level) {
  if (level == GraphLevel::graph) return;
  const auto fault = std::ranges::find_if(set.faults, [](const std::string& text) { return !text.empty(); });
  if (fault != set.faults.end()) throw Error("--level node", *fault, "mend the file");
}

cli::Outcome run(const GraphOptions& options) {
  check(options.sequence);
  if (options.input.empty())
    throw UsageError("INPUT", "no graphs are named", "a TU folder, JSON lines, .content or an edge table");
  const GraphSet set = read_graphs({options.input, options.nodes, options.graphs, {}});
  require_unique_ids(set, options.input);

  cli::ProgressBar progress("mt-tokenize", "tokenize", options.sequence.session.common);
  TokenizerRecipe recipe;
  recipe.modality = "graph";
  const GraphTokenization asked = with_options({}, options);
  // Names of kinds and statistics of numbers must be the training data's; bare graphs have neither.
  recipe.fitted = !set.node_labels.names().empty() || !set.edge_labels.names().empty() || !set.node_columns.empty() ||
                  !set.edge_columns.empty();
  recipe.make = [&] {
    GraphTokenization settings = asked;
    require_whole(set, settings.level);
    // A TU folder's kinds of nodes are what there is to predict of a node.
    const bool kinds_are_input =
        settings.level == GraphLevel::graph || set.node_classes.names() != set.node_labels.names();
    settings.statistics =
        graph_statistics(set, settings.level, chosen_samples(set, settings.level, options.only), kinds_are_input);
    Part part;
    part.config["modality"] = recipe.modality;
    settings.store(part);
    return part;
  };
  recipe.initialise = add_initial_graph_embedding;
  const Tokenizer tokenizer = choose_tokenizer(recipe, options.sequence, progress);
  const GraphTokenization fitted = GraphTokenization::from(tokenizer.part);
  require_same(fitted, options);
  const GraphTokenization settings = with_options(fitted, options);
  require_whole(set, settings.level);
  const GraphSamples samples(set, settings, chosen_samples(set, settings.level, options.only));

  Schema schema = samples.schema();
  schema.config = samples.config();
  const std::size_t rows = settings.level == GraphLevel::node ? 3 * settings.max_nodes : mean_rows(set, settings);
  std::vector<std::string> files;
  for (const std::string& file : {options.input, options.nodes, options.graphs, options.only}) {
    if (!file.empty()) files.push_back(file);
  }
  return run_sequences(samples, schema, tokenizer, rows, files, options.sequence, progress);
}

}  // namespace

Modality graph_modality() {
  return {
      "graph",
      "TU folders, edge and node tables (CSV), JSON lines, Planetoid text",
      {"mt-tokenize",
       "graph [options] INPUT -o TOKENS",
       "Turn graphs into tokens: nodes and directed edges, told apart by the slowest modes of the graph's Laplacian.",
       {"mt-tokenize graph MUTAG/ --only train.txt --model b16.h5 --fit graphs.h5 -o train.tokens.h5",
        "mt-tokenize graph MUTAG/ --only test.txt --model b16.h5 --model graphs.h5 -o test.tokens.h5"},
       {"mt-tokenize(1)", "mt-encode(1)", "mt-inspect(1)", "mt-cat(1)"}},
      [](CLI::App& app) -> cli::Action {
        const auto options = std::make_shared<GraphOptions>();
        add_options(app, *options);
        return [options] { return run(*options); };
      }};
}

}  // namespace mt::tokenize
