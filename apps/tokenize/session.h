// What every modality of mt-tokenize does alike: options, shards, resuming, dry runs, the run itself and its summary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/common_options.h"
#include "cli/progress_bar.h"
#include "cli/run.h"
#include "store/model.h"
#include "store/schema.h"
#include "tokenize/pipeline.h"

namespace mt::tokenize {

struct SessionOptions {
  cli::CommonOptions common;
  cli::OutputOptions output;
  cli::ShardOptions shard;
  std::vector<std::string> models;
  bool strict = false, dry_run = false;
  std::string retry_rejected;
};
void add_model_options(CLI::App& app, SessionOptions& options);  // --model, --seed
void add_run_options(CLI::App& app, SessionOptions& options);    // output, shards, threads, messages

// Throws UsageError for what can be known before anything is read: no output, --json with data on standard output.
void check(const SessionOptions& options);

// Takes the samples that --shard and --retry-rejected leave to the output. inputs: files that must not be the output.
// sample_bytes: of one sample in the output, roughly. The schema's creator is filled in here.
cli::Outcome run_session(const SampleMaker& maker, Schema schema, std::size_t sample_bytes,
                         const std::vector<std::string>& inputs, const SessionOptions& options,
                         cli::ProgressBar& progress);

}  // namespace mt::tokenize
