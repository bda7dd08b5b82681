// mt-convert: foreign checkpoints in, one model file out.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/common_options.h"
#include "cli/progress_bar.h"
#include "cli/run.h"
#include "encoder/model_source.h"
#include "store/checkpoint.h"
#include "store/model_file.h"
#include "store/model_safetensors.h"

namespace {

using namespace mt;
using nlohmann::json;

struct ConvertOptions {
  std::vector<std::string> inputs, parts;
  std::string output;
  bool force = false, keep_first = false, dry_run = false;
  ModelOverrides overrides;
  cli::CommonOptions common;
};

const cli::About kAbout = {
    "mt-convert",
    "[options] INPUT... -o OUTPUT",
    "Turn checkpoints of other programs into one model file, or a model file into safetensors.",
    {"mt-convert Meta-Transformer_base_patch16_encoder.pth -o b16.h5",
     "mt-convert open_clip_pytorch_model.bin --dry-run",
     "mt-convert encoder.pth clip.safetensors --keep-first -o model.h5", "mt-convert b16.h5 -o b16.safetensors"},
    {"mt-inspect(1)", "mt-encode(1)", "mt-tokenize(1)"}};

bool is_safetensors(const std::string& path) { return path.ends_with(".safetensors"); }

std::uint64_t bytes_of(const Part& part) {
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : part.tensors) bytes += tensor.bytes().size();
  return bytes;
}

json described(const Model& model) {
  json parts = json::object();
  for (const auto& [name, part] : model.parts) {
    parts[name] = {{"config", part.config},
                   {"tensors", part.tensors.size()},
                   {"bytes", bytes_of(part)},
                   {"digest", hex(digest_of(part))}};
  }
  return {{"parts", parts}, {"provenance", model.provenance}, {"digest", hex(digest_of(model))}};
}

void print_parts(const Model& model) {
  for (const auto& [name, part] : model.parts) {
    std::cout << fmt::format("{:<17}{:>5} tensors {:>11}  {}\n", name, part.tensors.size(), human_bytes(bytes_of(part)),
                             part.config.dump());
  }
}

void keep_parts(Model& model, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return;
  for (const std::string& name : wanted) model.part(name);  // throws naming the parts that there are
  std::erase_if(model.parts,
                [&](const auto& item) { return std::find(wanted.begin(), wanted.end(), item.first) == wanted.end(); });
}

// Whether the output is there already and holds this very model.
bool already_written(const std::string& output, const Model& model) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(output, ignored)) return false;
  try {
    if (is_model_file(output)) return digest_of(read_model_file(output)) == digest_of(model);
    const auto own = is_safetensors(output) ? model_in(read_checkpoint(output), output) : std::nullopt;
    return own && digest_of(*own) == digest_of(model);
  } catch (const Error&) {
    return false;  // something else, which is not replaced without --force
  }
}

void require_sensible(const ConvertOptions& options) {
  if (options.output.empty() && !options.dry_run)
    throw UsageError("-o", "is missing", "say where to write, or --dry-run");
  if (options.output == "-") throw UsageError("-o", "a model is mapped and cannot be a stream", "give a file name");
  std::error_code ignored;
  if (std::filesystem::is_directory(options.output, ignored))
    throw Error(options.output, "is a directory", "give a file name");
  cli::refuse_output_over_input(options.output, options.inputs);
  for (const std::string& input : options.inputs) {
    if (input == "-") throw UsageError("-", "a checkpoint is mapped and cannot be a stream", "give a file name");
  }
}

cli::Outcome convert(const ConvertOptions& options) {
  require_sensible(options);
  cli::ProgressBar progress("mt-convert", "convert", options.common);
  Model model = load_models(options.inputs, options.overrides, progress, options.keep_first);
  keep_parts(model, options.parts);
  complete_digests(model);
  const std::string creator = fmt::format("mt-convert {}", kVersion);
  if (options.dry_run) {
    if (!options.common.json) print_parts(model);
  } else if (!options.force && already_written(options.output, model)) {
    progress.note(fmt::format("{}: exists already and holds this model; left as it is", options.output));
  } else {
    if (is_safetensors(options.output)) {
      write_model_safetensors(options.output, model, creator, options.force);
    } else {
      write_model_file(options.output, model, creator, options.force);
    }
    std::uint64_t bytes = 0;
    for (const auto& [name, part] : model.parts) bytes += bytes_of(part);
    progress.note(fmt::format("{} parts, {} -> {}", model.parts.size(), human_bytes(bytes), options.output));
  }
  if (options.common.json) std::cout << described(model).dump(2) << "\n";
  return cli::Outcome::done;
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run(kAbout, argc, argv, [](CLI::App& app) {
    const auto options = std::make_shared<ConvertOptions>();
    app.add_option("INPUT", options->inputs,
                   "Checkpoints (.pth, .pt, .bin, .safetensors, .npz), model files, random:SIZE")
        ->option_text("INPUT...")
        ->required();
    app.add_option("-o,--output", options->output, "Model file to write; *.safetensors for other programs, else HDF5")
        ->option_text("FILE")
        ->group("Output");
    app.add_flag("--force", options->force, "Replace an existing output")->group("Output");
    app.add_flag("--dry-run", options->dry_run, "Say what would be written, and write nothing")->group("Output");
    app.add_option("--part", options->parts,
                   "Write this part only: encoder, tokenizer/image, text, head; may be repeated")
        ->option_text("NAME")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(false)
        ->group("Parts");
    app.add_flag("--keep-first", options->keep_first, "Of two inputs with the same part, take the first one's")
        ->group("Parts");
    cli::add_model_override_options(app, options->overrides);
    app.add_option("--seed", options->overrides.seed, "Seed of random:SIZE")
        ->option_text("N")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62))  // a negative number wraps to one above
        ->capture_default_str()
        ->group("Model");
    cli::add_common_options(app, options->common);
    return [options] { return convert(*options); };
  });
}
