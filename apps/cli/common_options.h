// Options that mean the same in every program, declared once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/progress.h"
#include "encoder/model_source.h"
#include "store/sample_writer.h"

namespace mt::cli {

struct CommonOptions {
  std::size_t threads = 0;  // 0: OMP_NUM_THREADS, else all cores
  std::uint64_t seed = 0;
  bool json = false, quiet = false, verbose = false;
};
void add_common_options(CLI::App& app, CommonOptions& options);
void add_seed_option(CLI::App& app, CommonOptions& options);

struct OutputOptions {
  std::string output;
  bool force = false, resume = false;
  int compression = 0;
};
void add_output_options(CLI::App& app, OutputOptions& options);
WriteOptions write_options(const OutputOptions& options);

// Throws UsageError when the output is one of the inputs, by whatever name, even with --force.
void refuse_output_over_input(const std::string& output, const std::vector<std::string>& inputs);

// --heads, --eps, --activation, --scale, --no-norm.
void add_model_override_options(CLI::App& app, ModelOverrides& overrides);

// --shard I/N, auto, auto/N with --shard-base.
struct Shard {
  std::size_t index = 0, count = 1;
};
struct ShardOptions {
  std::string shard;
  std::size_t base = 0;
};
void add_shard_options(CLI::App& app, ShardOptions& options);
Shard shard_of(const ShardOptions& options);  // throws UsageError

}  // namespace mt::cli
