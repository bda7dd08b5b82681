#include "train-head/regression.h"

#include <filesystem>
#include <iostream>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/version.h"
#include "cli/progress_bar.h"
#include "store/model_file.h"

namespace mt::train_head {

cli::Outcome train_regression(const RegressionOptions& options) {
  if (!options.dry_run && !options.force && std::filesystem::exists(options.output))
    throw Error(options.output, "exists", "use another name, or --force to replace it");
  cli::ProgressBar bar("mt-train-head", "train", options.common);
  ThreadPool pool(thread_count(options.common.threads));
  RidgeFit fit = fit_ridge(options.settings, pool, bar);
  if (!options.dry_run) {
    Model model;
    model.parts.emplace("head", fit.head.to_part());
    write_model_file(options.output, model, fmt::format("mt-train-head {}", kVersion), options.force);
  }
  std::string summary =
      fmt::format("regression head of {} targets from {} samples, l2 {:g}", fit.head.targets(),
                  fit.metrics["samples"]["train"].get<std::size_t>(), fit.metrics["l2"].get<double>());
  if (fit.metrics.contains("validation_mse"))
    summary += fmt::format(": mse {:.4f} on {} validation samples", fit.metrics["validation_mse"].get<double>(),
                           fit.metrics["samples"]["validation"].get<std::size_t>());
  bar.note(summary);
  bar.finish(options.output);
  if (options.common.json) {
    fit.metrics["output"] = options.output;
    fit.metrics["seconds"] = bar.seconds();
    std::cout << fit.metrics.dump(2) << "\n";
  }
  return cli::Outcome::done;
}

}  // namespace mt::train_head
