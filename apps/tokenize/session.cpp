#include "tokenize/session.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "base/threads.h"
#include "base/version.h"
#include "cli/resume_hint.h"
#include "store/sample_reader.h"

namespace fs = std::filesystem;

namespace mt::tokenize {

namespace {

constexpr std::size_t kBatchBytes = std::size_t{4} << 20;  // of one frame of the output
constexpr std::size_t kMostBatchSamples = 4096;

// Positions whose ids FILE lists as rejected.
std::vector<std::size_t> rejected_positions(const SampleMaker& maker, const std::string& file) {
  std::set<std::string> wanted;
  const auto reader = SampleReader::open(file);
  while (const auto batch = reader->next(65536, 4096)) {
    for (const Rejected& rejected : batch->rejected) wanted.insert(rejected.id);
  }
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < maker.size(); ++i) {
    if (wanted.erase(maker.id(i)) > 0) positions.push_back(i);
  }
  if (!wanted.empty()) {
    throw Error(file,
                fmt::format("\"{}\" and {} other rejected inputs are not among the inputs given", *wanted.begin(),
                            wanted.size() - 1),
                "give the inputs of that run");
  }
  return positions;
}

std::vector<std::size_t> positions_taken(const SampleMaker& maker, const SessionOptions& options) {
  std::vector<std::size_t> positions;
  if (options.retry_rejected.empty()) {
    positions.resize(maker.size());
    std::iota(positions.begin(), positions.end(), std::size_t{0});
  } else {
    positions = rejected_positions(maker, options.retry_rejected);
  }
  const cli::Shard shard = cli::shard_of(options.shard);
  std::erase_if(positions, [&](std::size_t i) { return i % shard.count != shard.index; });
  return positions;
}

cli::Outcome dry_run(const SampleMaker& maker, const std::vector<std::size_t>& positions,
                     const SessionOptions& options) {
  const PipelineEstimate estimate = estimate_pipeline(maker, positions, thread_count(options.common.threads));
  const auto whole = [](double x) { return static_cast<std::int64_t>(x + 0.5); };
  if (options.common.json) {
    std::cout << nlohmann::json({{"samples", positions.size()},
                                 {"tokens", whole(estimate.rows)},
                                 {"bytes", whole(estimate.bytes)},
                                 {"seconds", estimate.seconds},
                                 {"probed", estimate.probed},
                                 {"probed_rejected", estimate.rejected}})
                     .dump(2)
              << "\n";
  } else {
    std::cout << fmt::format(
        "samples  {}\ntokens   {}\nbytes    {} ({})\nseconds  {:.1f} (from {} samples tried, {} rejected)\n",
        positions.size(), whole(estimate.rows), whole(estimate.bytes),
        human_bytes(static_cast<std::uint64_t>(estimate.bytes)), estimate.seconds, estimate.probed, estimate.rejected);
  }
  return cli::Outcome::done;
}

void report(const PipelineResult& result, const Schema& schema, const SessionOptions& options,
            cli::ProgressBar& progress) {
  if (options.common.verbose) {
    progress.note(
        fmt::format("seconds: making samples {:.2f}, finishing batches {:.2f} (summed over threads); writing {:.2f}, "
                    "waiting for samples {:.2f}",
                    result.making, result.finishing, result.writing, result.waiting));
  }
  progress.finish(options.output.output);
  if (!options.common.json) return;
  std::cout << nlohmann::json({{"output", options.output.output},
                               {"kind", name_of(schema.kind)},
                               {"samples", result.samples + result.resumed_samples},
                               {"rejected", result.rejected + result.resumed_rejected},
                               {"tokens", result.rows},
                               {"width", schema.width},
                               {"seconds", progress.seconds()}})
                   .dump(2)
            << "\n";
}

}  // namespace

void add_model_options(CLI::App& app, SessionOptions& options) {
  app.add_option("--model", options.models, "Model with a tokenizer for these inputs; may be given twice")
      ->option_text("FILE")
      ->group("Model");
  cli::add_seed_option(app, options.common);
  app.get_option("--seed")->group("Model");
}

void add_run_options(CLI::App& app, SessionOptions& options) {
  cli::add_output_options(app, options.output);
  app.get_option("--output")->required(false);  // a dry run needs none
  app.add_flag("--strict", options.strict, "The first input that cannot be used is an error")->group("Output");
  app.add_flag("--dry-run", options.dry_run, "Say samples, tokens, bytes and time; write nothing")->group("Output");
  app.add_option("--retry-rejected", options.retry_rejected,
                 "Take only the inputs that this earlier output lists as rejected")
      ->option_text("FILE")
      ->group("Output");
  cli::add_shard_options(app, options.shard);
  cli::add_common_options(app, options.common);
}

void check(const SessionOptions& options) {
  if (options.output.output.empty() && !options.dry_run)
    throw UsageError("--output", "is missing", "-o FILE, or -o - for a pipe");
  if (options.common.json && options.output.output == "-") {
    throw UsageError("--json", "standard output carries the data already", "give -o a file name");
  }
  cli::shard_of(options.shard);
}

cli::Outcome run_session(const SampleMaker& maker, Schema schema, std::size_t sample_bytes,
                         const std::vector<std::string>& inputs, const SessionOptions& options,
                         cli::ProgressBar& progress) {
  const std::vector<std::size_t> positions = positions_taken(maker, options);
  if (options.dry_run) return dry_run(maker, positions, options);
  const std::string& output = options.output.output;
  cli::refuse_output_over_input(output, inputs);

  schema.creator = fmt::format("mt-tokenize {}", kVersion);
  const std::size_t threads = thread_count(options.common.threads);
  WriteOptions write = cli::write_options(options.output);
  if (output != "-" && !options.output.force && fs::is_regular_file(output)) {
    write.inputs = inputs_digest(maker, positions, threads);
  }
  write.expected_bytes = static_cast<std::uint64_t>(positions.size()) * sample_bytes;
  const auto writer = SampleWriter::create(output, schema, write);
  if (writer->already_done()) {
    progress.note(fmt::format("{} is there already, made from the same inputs with the same settings", output));
    return cli::Outcome::done;
  }
  PipelineOptions pipeline;
  pipeline.threads = threads;
  pipeline.batch_samples =
      std::clamp<std::size_t>(kBatchBytes / std::max<std::size_t>(1, sample_bytes), 1, kMostBatchSamples);
  pipeline.strict = options.strict;
  PipelineResult result;
  cli::with_resume_hint(*writer, progress, [&] {
    result = run_pipeline(maker, positions, *writer, pipeline, progress);
    writer->finish(result.inputs);
  });
  report(result, schema, options, progress);
  return result.rejected + result.resumed_rejected > 0 ? cli::Outcome::rejected : cli::Outcome::done;
}

}  // namespace mt::tokenize
