// mt-train-head: learn a head on cached features, or tokenizer, encoder and head from patches.
#include <cmath>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/common_options.h"
#include "cli/progress_bar.h"
#include "cli/run.h"
#include "train-head/end_to_end.h"
#include "train-head/regression.h"
#include "train-head/session.h"
#include "train/head_training.h"
#include "train/numbers_training.h"

namespace {

using namespace mt;

constexpr const char* kProgram = "mt-train-head";

struct Options {
  train_head::SessionOptions session;
  HeadTrainingSettings settings;
  train_head::EndToEndOptions end_to_end;
  std::vector<std::string> validation = {"0.1"};
  std::string task = "classification", kind = "linear", activation = "gelu", vote = "uniform", distance = "euclidean",
              select = "accuracy";
  std::string optimizer, loss, l2 = "auto", hidden = "512", class_weights, schedule = "cosine", memory;
  std::optional<double> rate, weight_decay, clip;
  std::optional<std::size_t> batch;
  bool no_standardise = false, no_refit = false;

  bool from_patches() const { return !end_to_end.models.empty(); }
};

std::vector<double> numbers(const std::string& option, const std::string& text, double least) {
  std::vector<double> values;
  for (const std::string_view word : split(text, ',')) {
    const auto value = parse_double(trimmed(word));
    if (!value || !std::isfinite(*value) || *value < least) {
      throw UsageError(option, fmt::format("\"{}\" is not a list of numbers of at least {:g}", printable(text), least));
    }
    values.push_back(*value);
  }
  return values;
}

// Options that this kind of head or this optimizer would not look at are a misunderstanding.
void refuse_without(const CLI::App& app, bool looked_at, std::initializer_list<const char*> options,
                    const std::string& who) {
  for (const char* option : options) {
    if (!looked_at && app.count(option) > 0) throw UsageError(option, "has no effect here", "it belongs to " + who);
  }
}

void read_validation(const Options& options, HeadTrainingSettings& settings) {
  settings.validation_files.clear();
  for (const std::string& word : options.validation) {
    const auto share = parse_double(word);
    if (!share) {
      settings.validation_files.push_back(word);
    } else if (!(*share >= 0 && *share < 1) || options.validation.size() > 1) {
      throw UsageError("--validation", fmt::format("\"{}\" is no share below 1", printable(word)),
                       "e.g. 0.1, 0 for none, or files");
    } else {
      settings.validation = *share;
    }
  }
}

// Checks what needs no file, and fills in the defaults that depend on each other.
HeadTrainingSettings settings_of(const Options& options, const CLI::App& app) {
  HeadTrainingSettings settings = options.settings;
  settings.kind = head_kind_named(app.count("--hidden") > 0 && app.count("--kind") == 0 ? "mlp" : options.kind);
  const bool patches = options.from_patches();
  settings.regression = options.task == "regression";
  settings.loss = loss_named(!options.loss.empty() ? options.loss : settings.regression ? "mse" : "cross-entropy");
  const bool entropy = settings.loss.kind == LossChoice::Kind::cross_entropy;
  if (settings.regression ? !settings.loss.of_numbers() : !settings.loss.of_labels())
    throw UsageError(
        "--loss", fmt::format("{} is for {}", options.loss, settings.regression ? "classes" : "numbers"),
        settings.regression ? "use mse, l1, huber or bce" : "use cross-entropy, focal or bce, or --task regression");
  const bool learned = settings.kind == HeadKind::linear || settings.kind == HeadKind::mlp;
  settings.optimiser = options.optimizer.empty()
                           ? (settings.kind == HeadKind::mlp || patches || !entropy ? "adamw" : "lbfgs")
                           : options.optimizer;
  const bool lbfgs = settings.kind == HeadKind::linear && settings.optimiser == "lbfgs";
  const bool knn = settings.kind == HeadKind::knn;
  if (settings.kind == HeadKind::mlp && settings.optimiser == "lbfgs") {
    throw UsageError("--optimizer", "lbfgs trains linear heads only", "use adamw or sgd for an mlp");
  }
  if (patches && (!learned || lbfgs)) {
    throw UsageError(learned ? "--optimizer" : "--kind", "has no gradient for what is below the head",
                     "with --model use --kind linear or mlp, and --optimizer adamw or sgd");
  }
  if (lbfgs && !entropy)
    throw UsageError("--optimizer", "lbfgs minimises cross entropy only", "use adamw or sgd for other losses");
  refuse_without(app, learned,
                 {"--optimizer", "--loss", "--label-smoothing", "--class-weights", "--log", "--curve", "--resume"},
                 "linear and mlp heads");
  if (settings.regression && !learned)
    throw UsageError("--kind", fmt::format("{} tells classes apart", name_of(settings.kind)), "use linear or mlp");
  refuse_without(app, !settings.regression, {"--label-smoothing", "--class-weights", "--select"},
                 "--task classification");
  refuse_without(app, settings.loss.kind != LossChoice::Kind::focal, {"--label-smoothing"},
                 "--loss cross-entropy and bce");
  refuse_without(app, settings.kind == HeadKind::mlp, {"--hidden", "--activation", "--dropout"}, "--kind mlp");
  refuse_without(app, knn, {"--k", "--vote", "--half"}, "--kind knn");
  refuse_without(app, !learned, {"--distance"}, "--kind knn and nearest-mean");
  refuse_without(app, lbfgs, {"--l2", "--tolerance", "--iterations"}, "--optimizer lbfgs");
  refuse_without(app, lbfgs || !learned, {"--no-refit"}, "--optimizer lbfgs and heads without weights");
  refuse_without(app, learned && !lbfgs,
                 {"--epochs", "--batch", "--learning-rate", "--schedule", "--warm-up", "--step-epochs", "--step-factor",
                  "--weight-decay", "--clip", "--patience"},
                 "--optimizer adamw and sgd");
  refuse_without(app, learned && settings.optimiser == "sgd", {"--momentum"}, "--optimizer sgd");
  refuse_without(app, options.schedule == "step", {"--step-epochs", "--step-factor"}, "--schedule step");

  settings.hidden.clear();
  for (const double width : numbers("--hidden", options.hidden, 1)) {
    if (width != std::floor(width) || width > 1 << 20)
      throw UsageError("--hidden", "widths are whole numbers up to 1048576");
    settings.hidden.push_back(static_cast<std::size_t>(width));
  }
  settings.activation = nonlinearity_named(options.activation);
  settings.neighbours.vote = vote_named(options.vote);
  settings.neighbours.distance = distance_named(options.distance);
  settings.select = settings.regression ? Criterion::loss : criterion_named(options.select);
  settings.standardise = !options.no_standardise;
  settings.probe.refit = !options.no_refit;
  settings.seed = options.session.common.seed;
  read_validation(options, settings);
  if (!settings.group.empty() && (!settings.validation_files.empty() || settings.validation == 0)) {
    throw UsageError("--group", "nothing is held out by share", "give --validation a share such as 0.1");
  }

  if (options.l2 != "auto") settings.probe.l2 = numbers("--l2", options.l2, 0);
  const bool validates = !settings.validation_files.empty() || settings.validation > 0;
  if (lbfgs && !validates && settings.probe.l2.size() != 1) {
    throw UsageError("--l2", "needs validation samples to choose on",
                     "give one value, such as --l2 1e-3, or --validation 0.1");
  }
  if (options.class_weights == "balanced")
    settings.balanced = true;
  else if (!options.class_weights.empty())
    settings.class_weights = numbers("--class-weights", options.class_weights, 1e-12);

  const bool adamw = settings.optimiser == "adamw";
  settings.loop.schedule.kind = schedule_named(options.schedule);
  settings.loop.schedule.rate = options.rate.value_or(adamw ? 1e-3 : 0.1);
  settings.loop.optimiser.weight_decay = options.weight_decay.value_or(adamw ? 0.01 : 1e-4);
  settings.loop.clip = options.clip.value_or(patches ? 1 : 0);
  settings.batch = options.batch.value_or(patches ? 64 : 256);
  settings.memory = total_memory() / 4;
  if (!options.memory.empty()) {
    const auto bytes = parse_bytes(options.memory);
    if (!bytes)
      throw UsageError("--memory", fmt::format("\"{}\" is not a size", printable(options.memory)), "e.g. 2G or 512M");
    settings.memory = *bytes;
  }
  return settings;
}

std::vector<std::string> inputs_of(const Options& options) {
  std::vector<std::string> inputs = options.settings.features;
  inputs.insert(inputs.end(), options.validation.begin(), options.validation.end());
  inputs.insert(inputs.end(), options.end_to_end.models.begin(), options.end_to_end.models.end());
  return inputs;
}

// What was learned, in one line.
std::string summary(const HeadTrainingSettings& settings, const nlohmann::json& metrics) {
  std::string text =
      fmt::format("{} head from {} samples", name_of(settings.kind), metrics["samples"]["train"].get<std::size_t>());
  const nlohmann::json& fit = metrics["fit"];
  if (fit.contains("l2")) text += fmt::format(", l2 {:g}", fit["l2"].get<double>());
  if (fit.contains("best_epoch"))
    text += fmt::format(", epoch {} of {}", fit["best_epoch"].get<std::size_t>(), fit["epochs"].get<std::size_t>());
  text += train_head::score_text(metrics);
  if (fit.value("refitted", false)) text += ", then refitted on all of them";
  return text;
}

cli::Outcome dry_run(const Options& options, const nlohmann::json& plan) {
  if (options.session.common.json) {
    std::cout << plan.dump(2) << "\n";
    return cli::Outcome::done;
  }
  const char* outputs = plan.contains("classes") ? "classes" : "targets";
  std::cout << fmt::format("{} head: {} {}, {} features, {} parameters\n", plan["kind"].get<std::string>(),
                           plan[outputs].get<std::size_t>(), outputs, plan["width"].get<std::size_t>(),
                           plan["parameters"].get<std::size_t>())
            << fmt::format(
                   "samples: {} train, {} validate, {} have no label\n", plan["samples"]["train"].get<std::size_t>(),
                   plan["samples"]["validation"].get<std::size_t>(), plan["samples"]["unlabelled"].get<std::size_t>())
            << fmt::format("features: {}, {}\n", human_bytes(plan["feature_bytes"].get<std::uint64_t>()),
                           plan["in_memory"].get<bool>() ? "held in memory" : "streamed from disk");
  return cli::Outcome::done;
}

// Whether the least squared error of a linear map is what is asked for: it is found at once.
bool solved_exactly(const Options& options, const CLI::App& app) {
  return options.kind == "linear" && app.count("--hidden") == 0 && options.optimizer.empty() &&
         (options.loss.empty() || options.loss == "mse");
}

// Numbers to be predicted, linearly: one way to learn them, so that few of the options mean anything.
cli::Outcome solve_numbers(const Options& options, const CLI::App& app) {
  refuse_without(app, false,
                 {"--activation", "--dropout", "--k", "--vote", "--distance", "--half", "--no-standardise", "--select",
                  "--no-refit", "--tolerance", "--iterations", "--label-smoothing", "--class-weights"},
                 "--task classification");
  refuse_without(app, false,
                 {"--epochs", "--batch", "--learning-rate", "--schedule", "--warm-up", "--step-epochs", "--step-factor",
                  "--weight-decay", "--momentum", "--clip", "--patience", "--memory", "--resume", "--checkpoint",
                  "--log", "--curve"},
                 "other losses, mlps, and --optimizer adamw and sgd");
  HeadTrainingSettings checked = options.settings;
  read_validation(options, checked);
  train_head::RegressionOptions regression;
  regression.settings.features = options.settings.features;
  regression.settings.validation_files = checked.validation_files;
  regression.settings.validation = checked.validation_files.empty() ? checked.validation : 0;
  regression.settings.group = options.settings.group;
  regression.settings.seed = options.session.common.seed;
  if (options.l2 != "auto") regression.settings.l2 = numbers("--l2", options.l2, 0);
  if (checked.validation_files.empty() && checked.validation == 0 && regression.settings.l2.size() != 1) {
    throw UsageError("--l2", "needs validation samples to choose on",
                     "give one value, such as --l2 1e-3, or --validation 0.1");
  }
  regression.output = options.session.output;
  regression.force = options.session.force;
  regression.dry_run = options.session.dry_run;
  regression.common = options.session.common;
  if (!options.session.dry_run) require_writable(options.session, inputs_of(options));
  return train_head::train_regression(regression);
}

// By a HeadTraining or a NumbersTraining.
template <class Training>
cli::Outcome train_on_features(const Options& options, const HeadTrainingSettings& settings) {
  const train_head::SessionOptions& session = options.session;
  ThreadPool pool(thread_count(session.common.threads));
  cli::ProgressBar bar(kProgram, "train", session.common, "samples seen");  // each once a pass
  Training training(settings, pool, bar);
  if (session.dry_run) return dry_run(options, training.plan());
  return run_session(session, training.run(), bar, [&](Watch& watch) {
    TrainedHead head = training.train(watch);
    train_head::Trained trained{{}, std::move(head.metrics), ""};
    trained.summary = summary(settings, trained.metrics);
    trained.model.parts.emplace("head", std::move(head.part));
    return trained;
  });
}

cli::Outcome train(const Options& options, const CLI::App& app) {
  const bool regression = options.task == "regression";
  if (!options.from_patches()) {
    train_head::refuse_end_to_end_options(app);
    if (regression && solved_exactly(options, app)) return solve_numbers(options, app);
  }
  const HeadTrainingSettings settings = settings_of(options, app);
  const train_head::SessionOptions& session = options.session;
  if (!session.dry_run) require_writable(session, inputs_of(options));
  if (options.from_patches()) return train_end_to_end(options.end_to_end, settings, session);
  return regression ? train_on_features<NumbersTraining>(options, settings)
                    : train_on_features<HeadTraining>(options, settings);
}

void describe_head(CLI::App& app, Options& o) {
  const auto head = [](CLI::Option* option, const char* text) { option->option_text(text)->group("Head"); };
  head(app.add_option("--task", o.task,
                      "classification of /labels, or regression of /targets (linear and mse: solved exactly)")
           ->check(CLI::IsMember({"classification", "regression"}))
           ->capture_default_str(),
       "NAME");
  head(app.add_option("--kind", o.kind, "linear, mlp, nearest-mean or knn")
           ->check(CLI::IsMember({"linear", "mlp", "nearest-mean", "nearest_mean", "knn"}))
           ->capture_default_str(),
       "KIND");
  head(app.add_option("--hidden", o.hidden, "Widths of an mlp's hidden layers; implies --kind mlp")
           ->capture_default_str(),
       "N,N");
  head(app.add_option("--activation", o.activation, "After hidden layers: gelu or relu")
           ->check(CLI::IsMember({"gelu", "relu"}))
           ->capture_default_str(),
       "NAME");
  head(app.add_option("--dropout", o.settings.dropout, "Share of hidden values dropped in training")
           ->check(CLI::Range(0.0, 0.99))
           ->capture_default_str(),
       "P");
  head(app.add_option("--k", o.settings.neighbours.k, "Neighbours that vote in knn")
           ->check(CLI::Range(std::size_t{1}, std::size_t{100000}))
           ->capture_default_str(),
       "N");
  head(app.add_option("--vote", o.vote, "Weights of knn's neighbours: uniform or distance (1 / distance)")
           ->check(CLI::IsMember({"uniform", "distance"}))
           ->capture_default_str(),
       "NAME");
  head(app.add_option("--distance", o.distance, "Of knn and nearest-mean: euclidean or cosine")
           ->check(CLI::IsMember({"euclidean", "cosine"}))
           ->capture_default_str(),
       "NAME");
  app.add_flag("--half", o.settings.half, "Keep knn's features as float16")->group("Head");
  app.add_flag("--no-standardise", o.no_standardise, "Take features as they are, not at mean 0 and deviation 1")
      ->group("Head");
}

void describe_validation(CLI::App& app, Options& o) {
  app.add_option("--validation", o.validation,
                 "Held out to choose and stop on: a stratified share, 0, or a file (may be repeated)")
      ->option_text("SHARE|FILE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false)
      ->default_str("0.1")
      ->group("Validation");
  app.add_option("--group", o.settings.group, "Never divide a group: source (id up to #), folder, or a CSV of id,group")
      ->option_text("RULE|FILE")
      ->group("Validation");
  app.add_option("--select", o.select, "What counts as better on validation samples: accuracy or loss")
      ->option_text("NAME")
      ->check(CLI::IsMember({"accuracy", "loss"}))
      ->capture_default_str()
      ->group("Validation");
  app.add_flag("--no-refit", o.no_refit, "Keep the head that never saw the samples held out")->group("Validation");
}

void describe_learning(CLI::App& app, Options& o) {
  const auto learning = [](CLI::Option* option, const char* text) { option->option_text(text)->group("Learning"); };
  LoopSettings& loop = o.settings.loop;
  learning(
      app.add_option("--optimizer", o.optimizer, "lbfgs (linear heads), adamw or sgd; else lbfgs, for an mlp adamw")
          ->check(CLI::IsMember({"lbfgs", "adamw", "sgd"})),
      "NAME");
  learning(app.add_option("--l2", o.l2, "lbfgs: penalty l2/2 |weight|^2 beside the mean loss; auto and lists: the best")
               ->capture_default_str(),
           "auto|A,B");
  learning(app.add_option("--tolerance", o.settings.probe.tolerance, "lbfgs: stop when no slope is steeper")
               ->check(CLI::Range(1e-12, 1.0))
               ->default_str("1e-05"),
           "X");
  learning(app.add_option("--iterations", o.settings.probe.max_iterations, "lbfgs: most iterations for one penalty")
               ->check(CLI::Range(std::size_t{1}, std::size_t{1000000}))
               ->capture_default_str(),
           "N");
  learning(app.add_option("--loss", o.loss,
                          "cross-entropy, focal:GAMMA or bce (each class against the rest); of numbers mse, l1, "
                          "huber:DELTA or bce (of 0 to 1); else cross-entropy, or mse"),
           "NAME");
  learning(app.add_option("--label-smoothing", o.settings.smoothing, "Share of the target spread over all classes")
               ->check(CLI::Range(0.0, 0.99))
               ->capture_default_str(),
           "X");
  learning(app.add_option("--class-weights", o.class_weights, "balanced (by frequency), or one weight a class"),
           "balanced|A,B");
  learning(app.add_option("--epochs", loop.epochs, "Passes over the training samples")
               ->check(CLI::Range(std::size_t{1}, std::size_t{1000000}))
               ->capture_default_str(),
           "N");
  learning(app.add_option("--batch", o.batch, "Samples of one step; else 256, of patches 64")
               ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 20)),
           "N");
  learning(app.add_option("--learning-rate", o.rate, "Highest rate; else 0.001 for adamw, 0.1 for sgd")
               ->check(CLI::Range(0.0, 1e6)),
           "X");
  learning(app.add_option("--schedule", o.schedule, "Rate after the warm-up: cosine, step or constant")
               ->check(CLI::IsMember({"cosine", "step", "constant"}))
               ->capture_default_str(),
           "NAME");
  learning(app.add_option("--warm-up", loop.schedule.warm_up_epochs, "Epochs of linear warm-up")
               ->check(CLI::Range(0.0, 1e6))
               ->capture_default_str(),
           "EPOCHS");
  learning(app.add_option("--step-epochs", loop.schedule.step_epochs, "step: epochs between two changes of the rate")
               ->check(CLI::Range(1e-3, 1e6))
               ->capture_default_str(),
           "N");
  learning(app.add_option("--step-factor", loop.schedule.step_factor, "step: what the rate is multiplied with")
               ->check(CLI::Range(0.0, 1.0))
               ->capture_default_str(),
           "X");
  learning(
      app.add_option("--weight-decay", o.weight_decay, "Of weights, not of biases; else 0.01 for adamw, 0.0001 for sgd")
          ->check(CLI::Range(0.0, 1e6)),
      "X");
  learning(app.add_option("--momentum", loop.optimiser.momentum, "Of sgd")
               ->check(CLI::Range(0.0, 0.9999))
               ->capture_default_str(),
           "X");
  learning(
      app.add_option("--clip", o.clip, "Largest norm of the gradient; 0 is off, and the default but for patches: 1")
          ->check(CLI::Range(0.0, 1e30)),
      "X");
  learning(
      app.add_option("--patience", loop.patience, "Stop after so many epochs without a better validation; 0 is never")
          ->capture_default_str(),
      "EPOCHS");
}

void describe_output(CLI::App& app, Options& o) {
  app.add_option("--memory", o.memory,
                 "Features held in memory, more are streamed from disk; activations kept [a quarter of the memory]")
      ->option_text("SIZE")
      ->group("Speed");
  app.add_option("-o,--output", o.session.output, "Model file of what was learned")
      ->option_text("FILE")
      ->group("Output");
  app.add_flag("--force", o.session.force, "Replace an existing output")->group("Output");
  app.add_flag("--resume", o.session.resume, "Go on where an interrupted run stopped")->group("Output");
  app.add_option("--checkpoint", o.session.checkpoint_s, "Seconds between two saves of an unfinished run")
      ->option_text("S")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str()
      ->group("Output");
  app.add_option("--log", o.session.log, "Diary of the run: a JSON object for each step and validation")
      ->option_text("FILE")
      ->group("Output");
  app.add_option("--curve", o.session.curve, "Picture of loss and accuracy over the steps, as SVG")
      ->option_text("FILE.svg")
      ->group("Output");
  app.add_flag("--dry-run", o.session.dry_run, "Say what would be learned from what, write nothing")->group("Output");
}

const cli::About kAbout = {
    kProgram,
    "[options] FEATURES... -o HEAD",
    "Learn a head on cached features; or from patches, with --model, tokenizer, encoder and head together.",
    {"mt-train-head train.features.h5 -o head.h5",
     "mt-train-head train.features.h5 --validation val.features.h5 --l2 1e-4,1e-3,1e-2 -o head.h5",
     "mt-train-head train.features.h5 --hidden 512,256 --dropout 0.1 --epochs 50 --patience 5 -o head.h5",
     "mt-train-head train.features.h5 --kind knn --k 20 --distance cosine -o head.h5",
     "mt-train-head train.patches.h5 --model b16.h5 --model audio.h5 --train head,tokenizer -o task.h5",
     "mt-train-head train.patches.h5 --model b16.h5 --model table.h5 --task regression --loss huber -o price.h5",
     "mt-train-head train.features.h5 --task regression --validation val.features.h5 -o forecast.h5"},
    {"mt-tokenize(1)", "mt-encode(1)", "mt-eval(1)", "mt-inspect(1)", "mt-cat(1)"}};

}  // namespace

int main(int argc, char** argv) {
  return cli::run(kAbout, argc, argv, [](CLI::App& app) -> cli::Action {
    auto options = std::make_shared<Options>();
    app.add_option("features", options->settings.features,
                   "Files of labelled features (or patches), joined by class name; \"-\" is standard input")
        ->option_text("FEATURES...")
        ->required()
        ->group("Input");
    describe_head(app, *options);
    train_head::add_end_to_end_options(app, options->end_to_end);
    describe_validation(app, *options);
    describe_learning(app, *options);
    cli::add_seed_option(app, options->session.common);
    cli::add_common_options(app, options->session.common);
    describe_output(app, *options);
    return [options, &app] { return train(*options, app); };
  });
}
