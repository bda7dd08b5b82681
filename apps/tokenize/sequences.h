// What the modalities of mt-tokenize share whose tokens are sequences of patches: which tokenizer, fitted or loaded,
// and the run with or without its embedding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "store/model.h"
#include "tokenize/session.h"

namespace mt::tokenize {

struct SequenceOptions {
  SessionOptions session;
  bool patches = false;              // stop before the embedding
  std::string fit;                   // tokenizer file to be written
  std::optional<std::size_t> width;  // of the tokens, where no --model has an encoder
};
// --model, --seed, --fit, --patches, --width.
void add_sequence_options(CLI::App& app, SequenceOptions& options);

// Throws UsageError for what can be known before anything is read. An output may be missing where --fit names a file.
void check(const SequenceOptions& options);

struct Tokenizer {
  Part part;  // statistics and settings; the embedding too, unless the run stops at patches
  bool from_model = false;
  bool initial = false;  // its embedding is made up from the seed
};

// What a modality brings. Neither is called when a --model has the part already (with its embedding).
struct TokenizerRecipe {
  std::string modality;
  bool fitted = false;  // has statistics that only training data may decide: --fit or a --model with them is a must
  std::function<Part()> make;  // settings, and statistics of the inputs at hand (all of them, whatever the shard)
  // Adds the embedding: config "embedding", "width" and the tensors.
  std::function<void(Part& part, std::size_t width, std::uint64_t seed)> initialise;
};

// The part "tokenizer/MODALITY" of a --model; else the recipe's, which --fit writes to its file (not in a dry run).
// Throws UsageError when there is neither --fit nor a model with statistics that are needed, or both; when a width is
// missing.
Tokenizer choose_tokenizer(const TokenizerRecipe& recipe, const SequenceOptions& options, Progress& progress);

// Takes the samples to the output: as tokens, or with --patches as they are. schema: of the patches, with its config.
// rows_per_sample: roughly. inputs: files that must not be the output.
cli::Outcome run_sequences(const SampleMaker& patches, Schema schema, const Tokenizer& tokenizer,
                           std::size_t rows_per_sample, const std::vector<std::string>& inputs,
                           const SequenceOptions& options, cli::ProgressBar& progress);

}  // namespace mt::tokenize
