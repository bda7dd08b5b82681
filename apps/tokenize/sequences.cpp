#include "tokenize/sequences.h"

#include <filesystem>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/version.h"
#include "encoder/model_source.h"
#include "store/model_file.h"
#include "tokenize/embedded_samples.h"
#include "tokenize/token_embedding.h"

namespace mt::tokenize {

namespace {

Model models_of(const SequenceOptions& options, Progress& progress) {
  if (options.session.models.empty()) return {};
  ModelOverrides overrides;
  overrides.seed = options.session.common.seed;
  return load_models(options.session.models, overrides, progress);
}

std::size_t width_for(const Model& model, const SequenceOptions& options) {
  std::size_t width = options.width.value_or(0);
  if (model.has("encoder")) {
    const std::size_t encoder = model.part("encoder").config.value("width", std::size_t{0});
    if (width != 0 && width != encoder) {
      throw UsageError("--width", fmt::format("{} was asked for, the encoder is {} wide", width, encoder));
    }
    width = encoder;
  }
  if (width == 0) {
    throw UsageError("--model", "tokens need the width of an encoder",
                     "--model with the encoder, --width N, or --patches to stop before the embedding");
  }
  return width;
}

// The tokenizer file of --fit: left alone when it holds this very part.
void write_tokenizer(const std::string& name, const Part& part, const SequenceOptions& options, Progress& progress) {
  const std::string& file = options.fit;
  Model model;
  model.source = file;
  model.parts.emplace(name, part);
  std::error_code ignored;
  if (std::filesystem::is_regular_file(file, ignored) && is_model_file(file) &&
      digest_of(read_model_file(file)) == digest_of(model)) {
    progress.note(fmt::format("{}: exists already and holds this tokenizer", file));
    return;
  }
  write_model_file(file, model, fmt::format("mt-tokenize {}", kVersion), options.session.output.force);
  progress.note(fmt::format("tokenizer -> {}", file));
}

}  // namespace

void add_sequence_options(CLI::App& app, SequenceOptions& options) {
  add_model_options(app, options.session);
  app.add_option("--fit", options.fit,
                 "Fit the tokenizer's statistics on these inputs (training data) and write it to this file")
      ->option_text("FILE")
      ->group("Model");
  app.add_option("--width", options.width, "Width of the tokens where no --model has an encoder")
      ->option_text("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{65536}))
      ->group("Model");
  app.add_flag("--patches", options.patches, "Stop before the embedding: write patches")->group("Model");
}

void check(const SequenceOptions& options) {
  if (options.session.output.output.empty() && !options.fit.empty()) return;
  check(options.session);
}

Tokenizer choose_tokenizer(const TokenizerRecipe& recipe, const SequenceOptions& options, Progress& progress) {
  const std::string name = "tokenizer/" + recipe.modality;
  const Model model = models_of(options, progress);
  Tokenizer tokenizer;
  tokenizer.from_model = model.has(name);
  if (recipe.fitted && !options.fit.empty() && tokenizer.from_model) {
    throw UsageError("--fit", fmt::format("{} has a tokenizer for {} already", model.source, recipe.modality),
                     "leave that --model out, or --fit");
  }
  if (recipe.fitted && options.fit.empty() && !tokenizer.from_model) {
    throw UsageError("--fit", fmt::format("{} needs statistics of training data", recipe.modality),
                     "--fit FILE with the training data, then --model FILE with all others");
  }
  const auto lacks_embedding = [](const Part& part) { return !part.config.contains("embedding"); };
  // Before the inputs are read, which may take long.
  const bool whole = tokenizer.from_model && !lacks_embedding(model.part(name));
  // A tokenizer that is fitted while patches are cut has its embedding too where its width is known: mt-train-head
  // teaches it.
  const bool embeds = !options.patches || (!options.fit.empty() && (model.has("encoder") || options.width));
  const std::size_t width = !embeds || whole ? 0 : width_for(model, options);
  tokenizer.part = tokenizer.from_model ? model.part(name) : recipe.make();
  if (embeds && lacks_embedding(tokenizer.part)) {
    tokenizer.part.digests.clear();
    recipe.initialise(tokenizer.part, width, options.session.common.seed);
    tokenizer.part.config["initialised_from_seed"] = options.session.common.seed;
    progress.note(
        fmt::format("no tokenizer for {} was trained: one of width {} is initialised from --seed {} (its tokens carry "
                    "the data, but nothing learned)",
                    recipe.modality, width, options.session.common.seed));
  }
  tokenizer.initial = tokenizer.part.config.contains("initialised_from_seed");
  if (!options.fit.empty() && !options.session.dry_run) write_tokenizer(name, tokenizer.part, options, progress);
  return tokenizer;
}

cli::Outcome run_sequences(const SampleMaker& patches, Schema schema, const Tokenizer& tokenizer,
                           std::size_t rows_per_sample, const std::vector<std::string>& inputs,
                           const SequenceOptions& options, cli::ProgressBar& progress) {
  if (options.session.output.output.empty() && !options.session.dry_run) return cli::Outcome::done;  // --fit alone
  std::vector<std::string> files = inputs;
  files.insert(files.end(), options.session.models.begin(), options.session.models.end());
  if (!options.fit.empty()) files.push_back(options.fit);

  const std::string digest = hex(digest_of(tokenizer.part));
  schema.config["tokenizer"] = digest;
  const auto row_bytes = [](const Schema& s) { return s.width * size_of(s.dtype); };
  if (options.patches) {
    schema.kind = Kind::patches;
    schema.positions = schema.pre_norm = false;
    return run_session(patches, schema, rows_per_sample * row_bytes(schema), files, options.session, progress);
  }
  const std::shared_ptr<const TokenEmbedding> embedding = token_embedding_of(tokenizer.part);
  const EmbeddedSamples samples(patches, embedding);
  Schema tokens = EmbeddedSamples::schema(schema, *embedding);
  tokens.source = digest;
  if (tokenizer.initial) tokens.config["initialised_from_seed"] = tokenizer.part.config["initialised_from_seed"];
  const std::size_t bytes = (rows_per_sample + embedding->prefix()) * row_bytes(tokens);
  return run_session(samples, tokens, bytes, files, options.session, progress);
}

}  // namespace mt::tokenize
