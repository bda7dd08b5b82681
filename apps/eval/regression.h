// mt-eval for heads that predict numbers.
#pragma once

#include <string>
#include <vector>

#include "cli/common_options.h"
#include "cli/run.h"
#include "store/model.h"

namespace mt::eval {

struct RegressionOptions {
  std::vector<std::string> inputs;
  std::string output, predictions;  // "" none
  bool force = false, strict = false, dry_run = false;
  cli::CommonOptions common;
};
// head: a part of task "regression".
cli::Outcome evaluate_regression(const RegressionOptions& options, const Part& head);

}  // namespace mt::eval
