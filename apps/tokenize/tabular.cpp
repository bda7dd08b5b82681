// mt-tokenize tabular: options, the schema found or loaded, and the run.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/progress_bar.h"
#include "decode/table_source.h"
#include "tokenize/modality.h"
#include "tokenize/sequences.h"
#include "tokenize/tabular/table_fit.h"
#include "tokenize/tabular/table_schema.h"
#include "tokenize/tabular/tabular_embedding.h"
#include "tokenize/tabular/tabular_samples.h"

namespace mt::tokenize {

namespace {

constexpr std::size_t kMostSummaryLines = 64;

struct TabularOptions {
  SequenceOptions sequence;
  TableOptions table;
  std::string separator, max_line = "16M";
  bool no_header = false;
  std::string label, id;
  std::vector<std::string> targets;

  // The schema, for --fit.
  std::vector<std::string> categorical, numeric, drop, missing;
  std::optional<std::string> scale;
  std::optional<std::size_t> quantiles;
  std::optional<std::uint64_t> min_count;
  bool bypass_numeric = false;
};

char separator_named(const std::string& name) {
  if (name == "tab" || name == "\\t") return '\t';
  if (name.size() != 1 || name == "\"" || name == "\n") {
    throw UsageError("--separator", fmt::format("\"{}\" is not one character", printable(name)), "e.g. ',' or tab");
  }
  return name[0];
}

void settle_table(TabularOptions& options) {
  if (!options.separator.empty()) options.table.separator = separator_named(options.separator);
  options.table.header = !options.no_header;
  const auto bytes = parse_bytes(options.max_line);
  if (!bytes || *bytes == 0) {
    throw UsageError("--max-line", fmt::format("\"{}\" is not a size", printable(options.max_line)), "e.g. 16M");
  }
  options.table.max_bytes = *bytes;
}

std::vector<std::size_t> columns_named(const TableSource& source, const std::vector<std::string>& names,
                                       const char* option) {
  std::vector<std::size_t> columns;
  columns.reserve(names.size());
  for (const std::string& name : names) columns.push_back(source.column(name, option));
  return columns;
}

TableRoles roles_of(const TableSource& source, const TabularOptions& options) {
  TableRoles roles;
  if (!options.label.empty()) roles.label = source.column(options.label, "--label");
  if (!options.id.empty()) roles.id = source.column(options.id, "--id-column");
  roles.targets = columns_named(source, options.targets, "--target");
  return roles;
}

TableFitting fitting_of(const TableSource& source, const TableRoles& roles, const TabularOptions& options) {
  TableFitting fitting;
  fitting.numeric = columns_named(source, options.numeric, "--numeric");
  fitting.categorical = columns_named(source, options.categorical, "--categorical");
  fitting.dropped = columns_named(source, options.drop, "--drop");
  fitting.dropped.insert(fitting.dropped.end(), roles.targets.begin(), roles.targets.end());
  if (roles.label) fitting.dropped.push_back(*roles.label);
  if (roles.id) fitting.dropped.push_back(*roles.id);
  fitting.missing.insert(fitting.missing.end(), options.missing.begin(), options.missing.end());
  if (options.scale == "quantile") fitting.scale = NumberScale::quantile;
  fitting.quantiles = options.quantiles.value_or(fitting.quantiles);
  fitting.min_count = options.min_count.value_or(fitting.min_count);
  fitting.bypass_numeric = options.bypass_numeric;
  return fitting;
}

void tell_summary(const std::vector<std::string>& summary, Progress& progress) {
  for (std::size_t i = 0; i < summary.size() && i < kMostSummaryLines; ++i) progress.note(summary[i]);
  if (summary.size() > kMostSummaryLines) {
    progress.note(fmt::format("and {} columns more", summary.size() - kMostSummaryLines));
  }
}

// A fitted schema is used as it is: options that would change it cannot be meant.
void require_no_schema_options(const TabularOptions& options) {
  const auto refuse = [](bool given, const char* name) {
    if (given) throw UsageError(name, "the model's schema is fixed", "leave it out, or --fit another tokenizer");
  };
  refuse(!options.categorical.empty(), "--categorical");
  refuse(!options.numeric.empty(), "--numeric");
  refuse(!options.drop.empty(), "--drop");
  refuse(!options.missing.empty(), "--missing");
  refuse(options.scale.has_value(), "--scale");
  refuse(options.quantiles.has_value(), "--quantiles");
  refuse(options.min_count.has_value(), "--min-count");
  refuse(options.bypass_numeric, "--bypass-numeric");
}

cli::Outcome tokenize_tabular(TabularOptions options) {
  check(options.sequence);
  settle_table(options);
  cli::ProgressBar progress("mt-tokenize", "tokenize", options.sequence.session.common);
  const TableSource source(options.table);
  if (source.header_is_numbers()) progress.note("the first row names columns by numbers; --no-header, if it is data");
  const TableRoles roles = roles_of(source, options);

  TokenizerRecipe recipe;
  recipe.modality = "tabular";
  recipe.fitted = true;
  recipe.make = [&] {
    const FittedTable fitted = fit_table(source, fitting_of(source, roles, options));
    tell_summary(fitted.summary, progress);
    Part part;
    fitted.schema.store(part);
    return part;
  };
  recipe.initialise = add_initial_tabular_embedding;
  const Tokenizer tokenizer = choose_tokenizer(recipe, options.sequence, progress);
  if (tokenizer.from_model) require_no_schema_options(options);

  const TableSchema schema(tokenizer.part);
  const TabularSamples samples(source, schema, roles);
  if (const auto unused = samples.unused(); tokenizer.from_model && !unused.empty()) {
    progress.note(fmt::format("not used: {}", listed(unused)));
  }
  return run_sequences(samples, samples.schema(), tokenizer, schema.token_columns().size(), options.table.inputs,
                       options.sequence, progress);
}

cli::Action describe_tabular(CLI::App& app) {
  const auto options = std::make_shared<TabularOptions>();
  TabularOptions& o = *options;
  app.add_option("INPUT", o.table.inputs, "Tables: CSV, TSV, any separator; \"-\" is standard input");
  const auto grouped = [&](const char* group) {
    return [&app, group](const char* name, auto& value, const char* text, const char* what) {
      return app.add_option(name, value, what)->option_text(text)->group(group);
    };
  };
  const auto input = grouped("Input"), schema = grouped("Schema");
  const auto repeated = [](CLI::Option* option) {
    option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
  };
  input("--separator", o.separator, "CHAR", "Between fields, or tab; else what the first line has most of");
  app.add_flag("--no-header", o.no_header, "The first row is data; columns are named by their numbers from 1")
      ->group("Input");
  input("--skip-lines", o.table.skip_lines, "N", "Lines in front of the header, or of the data")->capture_default_str();
  input("--label", o.label, "COLUMN", "Column of the class, by name or number from 1");
  repeated(input("--target", o.targets, "COLUMN", "Column of a number to be predicted; may be repeated"));
  input("--id-column", o.id, "COLUMN", "Column of the id; else FILE#ROW");
  input("--max-line", o.max_line, "SIZE", "Longer rows are rejected")->capture_default_str();

  repeated(schema("--categorical", o.categorical, "COLUMN", "Take this column for categories; may be repeated"));
  repeated(schema("--numeric", o.numeric, "COLUMN", "Take this column for numbers; may be repeated"));
  repeated(schema("--drop", o.drop, "COLUMN", "Leave this column out; may be repeated"));
  repeated(schema("--missing", o.missing, "WORD",
                  "Means no value, as the empty field, NA, NaN and null do; may be repeated"));
  schema("--scale", o.scale, "NAME",
         "Numbers: standard (mean 0, deviation 1), or quantile (normal, whatever their distribution) [standard]")
      ->check(CLI::IsMember({"standard", "quantile"}));
  schema("--quantiles", o.quantiles, "N", "Of --scale quantile, at most [1000]")
      ->check(CLI::Range(std::size_t{2}, std::size_t{100'000}));
  schema("--min-count", o.min_count, "N", "Rarer categories are unknown ones [1]");
  app.add_flag("--bypass-numeric", o.bypass_numeric, "Tokens of the categories alone, in the original's layout")
      ->group("Schema");
  add_sequence_options(app, o.sequence);
  add_run_options(app, o.sequence.session);
  return [options] { return tokenize_tabular(*options); };
}

}  // namespace

Modality tabular_modality() {
  return {"tabular",
          "tables: CSV, TSV, any separator, with or without a header",
          {"mt-tokenize",
           "tabular [options] INPUT... -o TOKENS",
           "Turn rows of a table into tokens, one a column: categories looked up, numbers scaled.",
           {"mt-tokenize tabular train.csv --label class --model b16.h5 --fit table.h5 -o train.tokens.h5",
            "mt-tokenize tabular test.csv --label class --model table.h5 -o test.tokens.h5"},
           {"mt-tokenize(1)", "mt-encode(1)", "mt-inspect(1)", "mt-cat(1)"}},
          describe_tabular};
}

}  // namespace mt::tokenize
