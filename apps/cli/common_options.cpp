#include "cli/common_options.h"

#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt::cli {

namespace {

std::optional<std::size_t> environment_number(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    const auto value = parse_int(text);
    if (!value || *value < 0) throw UsageError("--shard", fmt::format("{}=\"{}\" is not a count", name, text));
    return static_cast<std::size_t>(*value);
  }
  return std::nullopt;
}

std::size_t number(const std::string& option, std::string_view text) {
  const auto value = parse_int(text);
  if (!value || *value < 0) {
    throw UsageError("--shard", fmt::format("\"{}\" is not I/N, auto/N or auto", option), "e.g. --shard 0/8");
  }
  return static_cast<std::size_t>(*value);
}

}  // namespace

void add_common_options(CLI::App& app, CommonOptions& options) {
  app.add_option("--threads", options.threads, "Worker threads (else OMP_NUM_THREADS, else all cores)")
      ->option_text("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}))
      ->group("Speed");
  app.add_flag("--json", options.json, "Machine-readable results on standard output")->group("Messages");
  app.add_flag("--quiet", options.quiet, "No progress and no summary; errors still show")->group("Messages");
  app.add_flag("--verbose", options.verbose, "Add timings and choices made")->group("Messages");
}

void add_seed_option(CLI::App& app, CommonOptions& options) {
  app.add_option("--seed", options.seed, "Seed of everything random")
      ->option_text("N")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62))  // a negative number wraps to one above
      ->capture_default_str();
}

void add_output_options(CLI::App& app, OutputOptions& options) {
  app.add_option("-o,--output", options.output, "Output file; \"-\" is standard output")
      ->option_text("FILE")
      ->required()
      ->group("Output");
  app.add_flag("--force", options.force, "Replace an existing output")->group("Output");
  app.add_flag("--resume", options.resume, "Go on where an interrupted run stopped")->group("Output");
  app.add_option("--compress", options.compression, "Deflate level of the data sets, 0 is off")
      ->option_text("0-9")
      ->check(CLI::Range(0, 9))
      ->capture_default_str()
      ->group("Output");
}

WriteOptions write_options(const OutputOptions& options) {
  WriteOptions write;
  write.force = options.force;
  write.resume = options.resume;
  write.compression = options.compression;
  return write;
}

void refuse_output_over_input(const std::string& output, const std::vector<std::string>& inputs) {
  std::error_code ignored;  // what does not exist is no input
  for (const std::string& input : inputs) {
    if (input != "-" && output != "-" && std::filesystem::equivalent(input, output, ignored)) {
      throw UsageError(output, "is both input and output", "name another output");
    }
  }
}

void add_model_override_options(CLI::App& app, ModelOverrides& overrides) {
  app.add_option("--heads", overrides.heads, "Attention heads, where the checkpoint cannot tell")
      ->option_text("N")
      ->group("Model");
  app.add_option("--eps", overrides.eps, "Epsilon of the layer norms, else the family's")
      ->option_text("X")
      ->group("Model");
  app.add_option("--activation", overrides.activation, "gelu or quick_gelu, else the family's")
      ->option_text("NAME")
      ->check(CLI::IsMember({"gelu", "quick_gelu"}))
      ->group("Model");
  app.add_option("--scale", overrides.scale, "Attention scale, else 1/sqrt(head size)")
      ->option_text("X")
      ->group("Model");
  app.add_flag("--no-norm", overrides.no_norm, "Leave the final norm and the projection out")->group("Model");
}

void add_shard_options(CLI::App& app, ShardOptions& options) {
  app.add_option("--shard", options.shard, "Take every N-th sample: I/N, auto/N (Slurm array), auto (srun, mpirun)")
      ->option_text("I/N")
      ->group("Cluster");
  app.add_option("--shard-base", options.base, "First task number of the Slurm array, for auto/N")
      ->option_text("N")
      ->capture_default_str()
      ->group("Cluster");
}

Shard shard_of(const ShardOptions& options) {
  if (options.shard.empty()) return {};
  Shard shard;
  if (options.shard == "auto") {
    if (std::getenv("SLURM_ARRAY_TASK_ID") != nullptr) {
      throw UsageError("--shard",
                       "a Slurm array must say its size, because a resubmitted part looks like a smaller array",
                       "use --shard auto/N");
    }
    const auto index = environment_number({"SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"});
    const auto count = environment_number({"SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"});
    if (!index || !count) {
      throw UsageError("--shard", "auto needs a launcher that sets SLURM_PROCID or OMPI_COMM_WORLD_RANK",
                       "use --shard I/N");
    }
    shard = {*index, *count};
  } else {
    const auto parts = split(options.shard, '/');
    if (parts.size() != 2) number(options.shard, "");
    shard.count = number(options.shard, parts[1]);
    if (parts[0] == "auto") {
      const auto task = environment_number({"SLURM_ARRAY_TASK_ID"});
      if (!task) throw UsageError("--shard", "auto/N needs SLURM_ARRAY_TASK_ID", "use --shard I/N");
      if (*task < options.base) {
        throw UsageError("--shard",
                         fmt::format("SLURM_ARRAY_TASK_ID {} is below --shard-base {}", *task, options.base));
      }
      shard.index = *task - options.base;
    } else {
      shard.index = number(options.shard, parts[0]);
    }
  }
  if (shard.count == 0 || shard.index >= shard.count) {
    throw UsageError("--shard", fmt::format("shard {} of {} does not exist", shard.index, shard.count),
                     "shards count from 0 to N-1");
  }
  return shard;
}

}  // namespace mt::cli
