#include "train-head/session.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/text_output.h"
#include "base/version.h"
#include "evaluate/learning_plot.h"
#include "store/model_file.h"

namespace fs = std::filesystem;

namespace mt::train_head {

void require_writable(const SessionOptions& options, const std::vector<std::string>& inputs) {
  if (options.output == "-")
    throw UsageError("--output", "a model file cannot be written to a pipe", "give a file name");
  if (options.output.empty()) throw UsageError("--output", "is required", "give -o FILE");
  const fs::path target(options.output);
  std::error_code ignored;
  if (fs::is_directory(target, ignored)) throw Error(options.output, "is a directory", "give a file name");
  for (const std::string& output : {options.output, options.log, options.curve})
    cli::refuse_output_over_input(output, inputs);
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  if (::access(parent.c_str(), W_OK) != 0) throw system_error(options.output, "write in its directory", errno);
}

namespace {

// True when the output is there and equal; throws when it is there and may not be replaced.
bool already_done(const SessionOptions& options, const std::string& run) {
  if (options.force || !fs::exists(options.output)) return false;
  if (is_model_file(options.output)) {
    const Model model = read_model_file(options.output);
    if (model.has("head") &&
        model.part("head").config.value("training", nlohmann::json::object()).value("run", "") == run) {
      return true;
    }
  }
  throw Error(options.output, "exists and is not what this command makes",
              "use another name, or --force to replace it");
}

}  // namespace

cli::Outcome run_session(const SessionOptions& options, const std::string& run, cli::ProgressBar& bar,
                         const std::function<Trained(Watch&)>& train) {
  if (already_done(options, run)) {
    bar.note(fmt::format("{} is there already, made of the same samples with the same settings", options.output));
    return cli::Outcome::done;
  }
  if (!options.curve.empty()) refuse_existing(options.curve, options.force || options.resume);
  const std::string part = options.output + ".part";
  StateFile states(part, run, options.checkpoint_s);
  std::optional<TrainingState> resumed;
  if (options.resume) {
    resumed = states.load();
    if (!resumed) bar.note("there is nothing to resume: starting");
  } else if (fs::exists(part) && !options.force) {
    throw Error(part, "holds an unfinished run", "go on with --resume, or start over with --force");
  }
  std::unique_ptr<TrainingLog> log = std::make_unique<TrainingLog>();
  if (!options.log.empty()) {
    const std::uint64_t keep = resumed ? resumed->progress.value("log_bytes", std::uint64_t{0}) : 0;
    log = std::make_unique<TrainingLog>(options.log, options.force || options.resume, keep);
  }
  Watch watch{bar, *log, states, std::move(resumed)};
  Trained trained = train(watch);

  if (!options.curve.empty()) write_file(options.curve, learning_svg(watch.curve));
  write_model_file(options.output, trained.model, fmt::format("mt-train-head {}", kVersion), options.force);
  states.remove();
  bar.note(trained.summary);
  bar.finish(options.output);
  if (options.common.json) {
    trained.metrics["output"] = options.output;
    trained.metrics["seconds"] = bar.seconds();
    std::cout << trained.metrics.dump(2) << "\n";
  }
  return cli::Outcome::done;
}

std::string score_text(const nlohmann::json& metrics) {
  if (!metrics.contains("validation_score")) return "";
  const nlohmann::json& score = metrics["validation_score"];
  if (score.contains("mse"))
    return fmt::format(": mse {:.4g} on {} validation samples", score["mse"].get<double>(),
                       score["samples"].get<std::size_t>());
  return fmt::format(": accuracy {:.2f} %, log loss {:.4f} on {} validation samples",
                     100 * score["accuracy"].get<double>(), score["loss"].get<double>(),
                     score["samples"].get<std::size_t>());
}

}  // namespace mt::train_head
