// Scores features with a trained head: metrics with intervals, predictions, pictures.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "base/text_output.h"
#include "base/version.h"
#include "cli/common_options.h"
#include "cli/progress_bar.h"
#include "cli/run.h"
#include "eval/regression.h"
#include "evaluate/classification.h"
#include "evaluate/plots.h"
#include "evaluate/predictions.h"
#include "evaluate/report.h"
#include "heads/feature_matrix.h"
#include "heads/head.h"
#include "heads/regression_head.h"
#include "store/label_map.h"
#include "store/model_file.h"
#include "store/sample_reader.h"
#include "store/sample_writer.h"

using namespace mt;

namespace {

struct Options {
  std::vector<std::string> inputs, models;
  std::string output, predictions, confusion, report;
  std::size_t top_k = 5, resamples = 1000, max_classes = 100;
  bool force = false, strict = false, dry_run = false;
  cli::CommonOptions common;
};

const std::string kCreator = std::string("mt-eval ") + kVersion;
constexpr std::size_t kBatchBytes = std::size_t{32} << 20;

void check_fits(const std::string& input, const Schema& schema, const Head& head, bool strict, Progress& progress) {
  const std::string doubt = doubt_about(schema, head, input);
  if (doubt.empty()) return;
  if (strict) throw Error(input, doubt, "leave --strict out to score it anyway");
  progress.warn(input + ": " + doubt);
}

void write_confusion(const std::string& path, const ClassificationResult& result,
                     const std::vector<std::string>& classes, bool force) {
  TextOutput output(path, force);
  const bool svg = path.ends_with(".svg");
  output.write(svg ? confusion_svg(result.confusion, classes) : confusion_csv(result.confusion, classes));
  output.publish();
}

void check_usage(const Options& options) {
  if (options.models.empty()) throw UsageError("--model", "the head is missing", "give --model HEAD.h5");
  if (!options.confusion.empty() && !options.confusion.ends_with(".csv") && !options.confusion.ends_with(".svg")) {
    throw UsageError("--confusion", fmt::format("{} ends neither in .csv nor in .svg", options.confusion));
  }
  const int to_stdout = (options.output == "-") + (options.predictions == "-") + options.common.json;
  if (to_stdout > 1) throw UsageError("standard output", "can take one of -o, --predictions and --json", "name files");
  for (const std::string* path : {&options.output, &options.predictions, &options.confusion, &options.report}) {
    cli::refuse_output_over_input(*path, options.inputs);
    cli::refuse_output_over_input(*path, options.models);
  }
  for (const std::string* path : {&options.predictions, &options.confusion, &options.report}) {
    if (!path->empty() && *path != "-") refuse_existing(*path, options.force);
  }
}

// The library knows rows of a batch ("sample 3"); people know ids.
Error with_id(const Error& error, const Batch& batch, const std::string& input) {
  constexpr std::string_view kRow = "sample ";
  const auto row =
      error.where().starts_with(kRow) ? parse_int(std::string_view(error.where()).substr(kRow.size())) : std::nullopt;
  if (!row || *row < 0 || static_cast<std::size_t>(*row) >= batch.samples()) return error.within(input);
  return Error(input + ": " + batch.ids[static_cast<std::size_t>(*row)], error.why(), error.remedy());
}

// The head and everything that takes a batch.
class Evaluation {
 public:
  Evaluation(const Options& options, const Head& head, const Digest& head_digest, ThreadPool& pool,
             cli::ProgressBar& progress)
      : options_(options),
        head_(head),
        head_digest_(head_digest),
        pool_(pool),
        progress_(progress),
        scorer_(head.class_names(), scorer_options(options)) {
    if (!options.predictions.empty()) table_.emplace(options.predictions, head.class_names(), options.force);
  }

  void score(const std::string& input);
  ClassificationResult finish();
  Digest inputs() const { return inputs_known_ ? inputs_.value() : Digest{}; }

 private:
  static ClassificationOptions scorer_options(const Options& options) {
    ClassificationOptions scoring;
    scoring.top_k = options.top_k;
    scoring.bootstrap.resamples = options.resamples;
    scoring.bootstrap.seed = options.common.seed;
    scoring.spool_directory = std::filesystem::temp_directory_path();
    return scoring;
  }
  void open_writer(const std::string& input, const Schema& schema);
  Tensor scores_of(const Batch& batch, const std::string& input) const;

  const Options& options_;
  const Head& head_;
  Digest head_digest_;
  ThreadPool& pool_;
  cli::ProgressBar& progress_;
  ClassificationScorer scorer_;
  std::optional<PredictionTable> table_;
  std::unique_ptr<SampleWriter> writer_;
  nlohmann::json first_config_;
  SetDigest inputs_;
  bool inputs_known_ = true;
};

void Evaluation::open_writer(const std::string& input, const Schema& schema) {
  if (options_.output.empty()) return;
  if (!writer_) {
    WriteOptions write;
    write.force = options_.force;
    write.resumable = false;
    writer_ = SampleWriter::create(options_.output, prediction_schema(schema, head_, head_digest_, kCreator), write);
    first_config_ = schema.config;
  } else if (schema.config != first_config_) {
    throw Error(input, fmt::format("was made with other settings than {}", options_.inputs.front()),
                "score them one by one");
  }
}

Tensor Evaluation::scores_of(const Batch& batch, const std::string& input) const {
  if (batch.samples() == 0) return Tensor(DType::f32, {0, head_.class_names().size()});
  try {
    return head_.scores(feature_matrix(batch, head_.description().input.rows), pool_);
  } catch (const Error& error) {
    throw with_id(error, batch, input);
  }
}

void Evaluation::score(const std::string& input) {
  const auto reader = SampleReader::open(input);
  const Schema& schema = reader->schema();
  check_fits(input, schema, head_, options_.strict, progress_);
  std::optional<LabelMap> labels;
  if (schema.has_labels) labels.emplace(schema.label_names, head_.class_names(), input);
  open_writer(input, schema);
  const std::size_t rows =
      std::max<std::size_t>(64, kBatchBytes / sizeof(float) / std::max<std::size_t>(1, schema.width));
  while (auto batch = reader->next(rows, rows)) {
    throw_if_interrupted();
    Batch predicted;
    predicted.labels = labels ? (*labels)(batch->labels) : std::vector<std::int32_t>(batch->samples(), -1);
    predicted.rows = scores_of(*batch, input);
    scorer_.add(predicted.labels, predicted.rows);
    if (table_) table_->write(batch->ids, predicted.labels, predicted.rows);
    progress_.advance(static_cast<std::int64_t>(batch->samples()), 0);
    if (!writer_) continue;
    predicted.ids = std::move(batch->ids);
    predicted.index = std::move(batch->index);
    predicted.rejected = std::move(batch->rejected);
    writer_->write(predicted);
  }
  inputs_.add(SetDigest::from(reader->inputs()));
  inputs_known_ = inputs_known_ && knows_inputs(*reader);
}

ClassificationResult Evaluation::finish() {
  ClassificationResult result = scorer_.result(pool_);
  if (table_) table_->publish();
  if (writer_) writer_->finish(inputs());
  return result;
}

void write_results(const Options& options, const Head& head, const ClassificationResult& result,
                   const Provenance& origin) {
  if (!options.confusion.empty()) write_confusion(options.confusion, result, head.class_names(), options.force);
  if (!options.report.empty()) {
    TextOutput report(options.report, options.force);
    report.write(html_report(
        result, "Evaluation of " + std::filesystem::path(options.models.back()).filename().string(), origin));
    report.publish();
  }
  if (options.common.json) {
    nlohmann::ordered_json json = json_report(result);
    for (const auto& [key, value] : origin) json["origin"][key] = value;
    fmt::print("{}\n", json.dump(2));
    return;
  }
  // Where standard output carries data, the table goes to people on the other stream.
  const bool data_on_stdout = options.output == "-" || options.predictions == "-";
  if (!data_on_stdout || !options.common.quiet) {
    fmt::print(data_on_stdout ? stderr : stdout, "{}", text_report(result, options.max_classes));
  }
}

cli::Outcome check_only(const Options& options, const Head& head, Progress& progress) {
  for (const std::string& input : options.inputs) {
    const auto reader = SampleReader::open(input);
    check_fits(input, reader->schema(), head, options.strict, progress);
    if (reader->schema().has_labels) LabelMap(reader->schema().label_names, head.class_names(), input);
    fmt::print("{}: {} samples of {} numbers, {} classes, {}\n", printable(input),
               reader->samples() ? std::to_string(*reader->samples()) : "a stream of", head.feature_width(),
               head.class_names().size(), reader->schema().has_labels ? "labelled" : "no labels");
  }
  return cli::Outcome::done;
}

// The one head among the model files; files that hold only other parts are passed over.
Part head_part(const std::vector<std::string>& models) {
  std::optional<Part> found;
  for (const std::string& name : models) {
    Model model = read_model_file(name);
    if (!model.has("head")) continue;
    if (found) throw Error(name, "holds a second head", "give one");
    found = std::move(model.parts.at("head"));
  }
  if (!found) throw Error(models.back(), "holds no head", "mt-train-head makes one");
  return *found;
}

cli::Outcome evaluate_numbers(const Options& options, const Part& part) {
  for (const auto& [name, path] : {std::pair{"--confusion", &options.confusion}, {"--report", &options.report}}) {
    if (!path->empty()) throw UsageError(name, "is about classes, this head predicts numbers", "leave it out");
  }
  return eval::evaluate_regression({options.inputs, options.output, options.predictions, options.force, options.strict,
                                    options.dry_run, options.common},
                                   part);
}

cli::Outcome evaluate(const Options& options) {
  check_usage(options);
  const Part part = head_part(options.models);
  if (is_regression(part)) return evaluate_numbers(options, part);
  cli::ProgressBar progress("mt-eval", "evaluate", options.common);
  const std::unique_ptr<Head> head = Head::from(part);
  if (options.dry_run) return check_only(options, *head, progress);

  ThreadPool pool(thread_count(options.common.threads));
  const Digest head_digest = digest_of(part);
  Evaluation evaluation(options, *head, head_digest, pool, progress);
  for (const std::string& input : options.inputs) evaluation.score(input);
  const ClassificationResult result = evaluation.finish();
  progress.finish(options.output);
  if (result.labelled == 0 && !options.common.quiet)
    progress.note("no sample has a label: there are predictions, but no metrics");
  write_results(options, *head, result,
                {{"program", kCreator}, {"head", hex(head_digest)}, {"samples", hex(evaluation.inputs())}});
  return cli::Outcome::done;
}

const cli::About kAbout = {
    "mt-eval",
    "[options] FEATURES... --model HEAD",
    "Score features with a trained head: metrics with confidence intervals, predictions, a report.",
    {"mt-eval test.features.h5 --model head.h5",
     "mt-eval test.features.h5 --model head.h5 --json | jq .metrics.accuracy",
     "mt-eval new.features.h5 --model head.h5 --predictions predictions.csv",
     "mt-encode test.tokens.h5 --model b16.h5 -o - | mt-eval - --model head.h5 --report report.html"},
    {"mt-train-head(1)", "mt-encode(1)", "mt-inspect(1)", "mt-format(5)"}};

cli::Action describe(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("FEATURES", options->inputs, "Features files; \"-\" is standard input")->required();
  app.add_option("--model,--head", options->models, "Model file with the trained head")
      ->option_text("FILE")
      ->group("Model")
      ->take_all();
  app.add_flag("--strict", options->strict, "Fail where features were made otherwise than the head's training samples")
      ->group("Model");
  app.add_option("--top-k", options->top_k, "The true class counts as found among the K first")
      ->option_text("K")
      ->check(CLI::Range(std::size_t{2}, std::size_t{1000000}))
      ->capture_default_str()
      ->group("Metrics");
  app.add_option("--bootstrap", options->resamples, "Resamples behind the 95 % intervals, 0 is none")
      ->option_text("N")
      ->check(CLI::Range(std::size_t{0}, std::size_t{1000000}))
      ->capture_default_str()
      ->group("Metrics");
  app.add_option("--seed", options->common.seed, "Seed of the resamples")
      ->option_text("N")
      ->capture_default_str()
      ->group("Metrics");
  app.add_option("--max-classes", options->max_classes, "Rows of the class table; of more classes the worst are shown")
      ->option_text("N")
      ->capture_default_str()
      ->group("Metrics");
  app.add_option("--predictions", options->predictions,
                 "Write id, label, prediction and scores as CSV; \"-\" is standard output")
      ->option_text("FILE")
      ->group("Output");
  app.add_option("-o,--output", options->output, "Write the scores as a predictions file; \"-\" is standard output")
      ->option_text("FILE")
      ->group("Output");
  app.add_option("--confusion", options->confusion, "Write the confusion matrix, as .csv or .svg")
      ->option_text("FILE")
      ->group("Output");
  app.add_option("--report", options->report, "Write an HTML page with all numbers and pictures")
      ->option_text("FILE")
      ->group("Output");
  app.add_flag("--force", options->force, "Replace existing outputs")->group("Output");
  app.add_flag("--dry-run", options->dry_run, "Check that inputs and head fit, say what there is, write nothing")
      ->group("Output");
  cli::add_common_options(app, options->common);
  return [options] { return evaluate(*options); };
}

}  // namespace

int main(int argc, char** argv) { return cli::run(kAbout, argc, argv, describe); }
