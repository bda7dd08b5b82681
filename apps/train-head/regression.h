// mt-train-head --task regression.
#pragma once

#include <string>

#include "cli/common_options.h"
#include "cli/run.h"
#include "train/ridge.h"

namespace mt::train_head {

struct RegressionOptions {
  RidgeSettings settings;
  std::string output;
  bool force = false, dry_run = false;
  cli::CommonOptions common;
};
// The output has been checked to be writable.
cli::Outcome train_regression(const RegressionOptions& options);

}  // namespace mt::train_head
