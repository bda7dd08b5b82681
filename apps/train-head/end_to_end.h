// mt-train-head PATCHES --model: tokenizer, encoder and head learn together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/run.h"
#include "train-head/session.h"
#include "train/end_to_end_training.h"

namespace mt::train_head {

struct EndToEndOptions {
  std::vector<std::string> models;
  std::string train = "head,tokenizer", encoder_scope, blocks, augment, pool, recompute = "auto", dtype = "f32";
  double ema = 0;
  EndToEndSettings settings;  // what options fill in directly
};
// --model, --train, --train-encoder, --train-blocks, --pool, rates, --budget and their like.
void add_end_to_end_options(CLI::App& app, EndToEndOptions& options);

// Throws UsageError when one of those options is given without --model.
void refuse_end_to_end_options(const CLI::App& app);

// head: settings of files, validation, head and loop, checked.
cli::Outcome train_end_to_end(const EndToEndOptions& options, const HeadTrainingSettings& head,
                              const SessionOptions& session);

}  // namespace mt::train_head
