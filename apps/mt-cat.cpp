// Joins shards, selects, splits, converts and exports sample files.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "cli/common_options.h"
#include "cli/progress_bar.h"
#include "cli/run.h"
#include "store/fuse.h"
#include "store/inspection.h"
#include "store/join.h"
#include "store/sink.h"
#include "store/subset.h"

using namespace mt;

namespace {

struct Options {
  std::vector<std::string> inputs, labels;
  std::string format, ids, rows, sample, split, group;
  std::optional<std::uint64_t> head, tail;
  bool virtual_join = false, fuse = false, allow_missing = false, dry_run = false;
  cli::OutputOptions output;
  cli::CommonOptions common;
};

constexpr std::size_t kBatchBytes = std::size_t{16} << 20;

// One file may be any part of a list; several must be all of it, or modalities of the same samples.
std::unique_ptr<SampleReader> open_inputs(const Options& options) {
  if (options.fuse) return fuse_samples(options.inputs, {options.allow_missing});
  return options.inputs.size() == 1 ? SampleReader::open(options.inputs[0])
                                    : join_shards(options.inputs, {options.allow_missing});
}

SubsetOptions subset_options(const Options& options) {
  SubsetOptions subset;
  Selection& selection = subset.selection;
  selection.seed = options.common.seed;
  selection.labels = options.labels;
  selection.head = options.head;
  selection.tail = options.tail;
  if (!options.rows.empty()) selection.rows = parse_rows(options.rows);
  if (!options.sample.empty()) parse_sample(options.sample, selection);
  if (!options.split.empty()) subset.parts = parse_split(options.split);
  if (!options.group.empty() && options.split.empty())
    throw UsageError("--group", "is about --split, which is missing");
  // Last, since these read files.
  if (!options.ids.empty()) selection.ids = read_id_list(options.ids);
  if (!options.group.empty()) subset.grouping.emplace(options.group);
  return subset;
}

// One name for each part: "{}" in the pattern is the part's name.
std::vector<std::string> output_names(const Options& options, const std::vector<SplitPart>& parts) {
  const std::string& pattern = options.output.output;
  if (parts.empty()) return {pattern};
  const std::size_t hole = pattern.find("{}");
  if (hole == std::string::npos) {
    throw UsageError("--output", fmt::format("{} has no \"{{}}\" for the names of the parts", pattern),
                     "e.g. -o photos.{}.h5");
  }
  std::vector<std::string> names;
  for (const SplitPart& part : parts) names.push_back(std::string(pattern).replace(hole, 2, part.name));
  return names;
}

void require_all_ids(const std::vector<std::string>& missing, const Options& options) {
  if (missing.empty()) return;
  std::string some;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, missing.size()); ++i) some += (i == 0 ? "" : ", ") + missing[i];
  throw Error(
      options.ids,
      fmt::format("{} of its ids are not in the input: {}{}", missing.size(), some, missing.size() > 3 ? ", ..." : ""),
      "mt-inspect --ids lists those that are");
}

bool reads_stdin(const Options& options) {
  return std::find(options.inputs.begin(), options.inputs.end(), "-") != options.inputs.end();
}

// Of files this is known before anything is written.
void look_for_ids(const std::vector<std::string>& ids, const Options& options) {
  std::set<std::string> missing(ids.begin(), ids.end());
  for (const std::string& input : options.inputs) {
    for_each_id(input, [&](const std::string& id) { missing.erase(id); });
  }
  require_all_ids({missing.begin(), missing.end()}, options);
}

cli::Outcome virtual_join(const Options& options, cli::ProgressBar& progress) {
  if (subset_options(options).selection.any() || !options.split.empty() || !options.format.empty()) {
    throw UsageError("--virtual", "joins whole files; it neither selects nor splits nor exports");
  }
  cli::refuse_output_over_input(options.output.output, options.inputs);
  write_virtual_join(options.inputs, options.output.output, options.output.force, {options.allow_missing});
  progress.finish(options.output.output);
  return cli::Outcome::done;
}

// Reads everything once and hands it to the sinks (none for a dry run). Returns how many samples each part got.
std::vector<std::int64_t> copy(SampleReader& reader, Subset& subset, std::vector<std::unique_ptr<SampleSink>>& sinks,
                               std::vector<SetDigest>& contents, cli::ProgressBar& progress) {
  std::vector<std::int64_t> counts(subset.parts());
  const Schema& schema = reader.schema();
  const std::size_t rows =
      std::max<std::size_t>(1, kBatchBytes / std::max<std::size_t>(1, schema.width * size_of(schema.dtype)));
  while (!subset.exhausted()) {
    throw_if_interrupted();
    auto batch = reader.next(rows, rows);
    if (!batch) break;
    std::vector<Batch> parts = subset.take(std::move(*batch));
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const auto samples = static_cast<std::int64_t>(parts[p].samples());
      counts[p] += samples;
      progress.advance(samples, 0);
      if (!contents.empty()) add_content(parts[p], contents[p]);
      if (!sinks.empty()) sinks[p]->write(std::move(parts[p]));
    }
  }
  return counts;
}

cli::Outcome concatenate(const Options& options) {
  cli::ProgressBar progress("mt-cat", "copy", options.common);
  if (options.virtual_join && options.fuse) throw UsageError("--fuse", "and --virtual exclude each other");
  if (options.virtual_join) return virtual_join(options, progress);
  const OutputFormat format = output_format(options.format, options.output.output);
  const SubsetOptions wanted = subset_options(options);
  const std::vector<std::string> names = output_names(options, wanted.parts);
  for (const std::string& name : names) cli::refuse_output_over_input(name, options.inputs);
  const bool picked = wanted.selection.any() || !wanted.parts.empty();

  const auto reader = open_inputs(options);
  if (wanted.selection.ids && !reads_stdin(options)) look_for_ids(*wanted.selection.ids, options);
  Subset subset(wanted, reader->schema());
  if (subset.needs_survey()) {
    if (reads_stdin(options)) {
      throw UsageError("standard input", "--tail, --sample N and --split look at the samples twice",
                       "save the stream as a file first");
    }
    subset.survey(*open_inputs(options), progress);
  }

  std::vector<std::unique_ptr<SampleSink>> sinks;
  WriteOptions write = cli::write_options(options.output);
  if (!picked && reader->samples()) write.inputs = reader->inputs();
  for (const std::string& name : names) {
    if (options.dry_run) break;
    sinks.push_back(SampleSink::create(format, name, subset.schema_of_output(), write));
    if (sinks.back()->already_done()) {
      progress.note(name + ": exists and is equal; nothing to do");
      return cli::Outcome::done;
    }
  }
  std::vector<SetDigest> contents(picked ? names.size() : 0);
  const std::vector<std::int64_t> counts = copy(*reader, subset, sinks, contents, progress);
  require_all_ids(subset.missing(), options);
  for (std::size_t p = 0; p < sinks.size(); ++p) sinks[p]->finish(picked ? contents[p].value() : reader->inputs());

  if (options.dry_run) {
    for (std::size_t p = 0; p < names.size(); ++p) fmt::print("{}: {} samples\n", printable(names[p]), counts[p]);
  } else {
    progress.finish(options.output.output);
  }
  return cli::Outcome::done;
}

const cli::About kAbout = {
    "mt-cat",
    "[options] SAMPLES... -o OUTPUT",
    "Join shards, fuse modalities, select, split, convert and export tokens, patches, features and predictions.",
    {"mt-cat shard.*.h5 -o all.h5", "mt-cat --fuse clips.video.h5 clips.audio.h5 -o clips.tokens.h5",
     "mt-cat all.h5 --label cat --label dog --sample 1000 -o pets.h5",
     "mt-cat all.h5 --split train=0.8,test=0.2 -o all.{}.h5", "mt-cat all.h5 -o all.npz"},
    {"mt-inspect(1)", "mt-encode(1)", "mt-tokenize(1)", "mt-format(5)"}};

cli::Action describe(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("SAMPLES", options->inputs, "Sample files, joined in the order of /index; \"-\" is standard input")
      ->required();
  // A negative number wraps around to one above this.
  const CLI::Range counts(std::uint64_t{1}, std::uint64_t{1} << 62);
  const auto select = [&](auto name, auto& value, auto text, auto description) {
    return app.add_option(name, value, description)->option_text(text)->group("Select");
  };
  select("--rows", options->rows, "A:B", "Samples A to B-1, counted from 0");
  select("--ids", options->ids, "FILE", "Samples whose ids FILE lists, one a line or in a CSV column id");
  select("--label", options->labels, "NAME", "Samples of this class; may be given again")->take_all();
  select("--sample", options->sample, "N", "N random samples, or below 1 that fraction");
  select("--head", options->head, "N", "The first N of what was selected")->check(counts);
  select("--tail", options->tail, "N", "The last N of what was selected")->check(counts);
  app.add_option("--split", options->split, "Divide into parts, stratified by label, e.g. train=0.8,test=0.2")
      ->option_text("PARTS")
      ->group("Split");
  app.add_option("--group", options->group,
                 "Keep together: source (ids up to \"#\"), folder, or a CSV file with id and group")
      ->option_text("HOW")
      ->group("Split");
  app.add_option("--seed", options->common.seed, "Seed of --sample and --split")
      ->option_text("N")
      ->capture_default_str()
      ->group("Split");
  app.add_option("--format", options->format, "h5, npz or csv, else by the ending of the output")
      ->option_text("NAME")
      ->group("Output");
  app.add_flag("--fuse", options->fuse, "The inputs are tokens of several modalities: one sequence for each sample id")
      ->group("Join");
  app.add_flag("--allow-missing", options->allow_missing, "Join what there is, though shards or inputs are missing")
      ->group("Join");
  app.add_flag("--virtual", options->virtual_join, "Join [N, D] features by reference: the output needs its inputs")
      ->group("Join");
  app.add_flag("--dry-run", options->dry_run, "Say how many samples each output would get, write nothing")
      ->group("Output");
  cli::add_output_options(app, options->output);
  cli::add_common_options(app, options->common);
  return [options] { return concatenate(*options); };
}

}  // namespace

int main(int argc, char** argv) { return cli::run(kAbout, argc, argv, describe); }
