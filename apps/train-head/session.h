// What every way of training shares: an output that may be there already, a run that may go on, its diary.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/common_options.h"
#include "cli/progress_bar.h"
#include "cli/run.h"
#include "store/model.h"
#include "train/watch.h"

namespace mt::train_head {

struct SessionOptions {
  cli::CommonOptions common;
  std::string output, log, curve;
  double checkpoint_s = 30;
  bool force = false, resume = false, dry_run = false;
};

// Throws when the output is missing, one of the inputs, a directory, or its directory cannot be written.
void require_writable(const SessionOptions& options, const std::vector<std::string>& inputs);

struct Trained {
  Model model;
  nlohmann::json metrics;  // for --json
  std::string summary;     // what was learned, in one line
};
// Trains and writes the model file, unless it is there already, made by the same run.
cli::Outcome run_session(const SessionOptions& options, const std::string& run, cli::ProgressBar& bar,
                         const std::function<Trained(Watch&)>& train);

// ": accuracy 91.00 %, log loss 0.2500 on 100 validation samples", or ": mse 0.0100 on ..." of numbers; empty where
// nothing was held out.
std::string score_text(const nlohmann::json& metrics);

}  // namespace mt::train_head
