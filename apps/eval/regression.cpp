#include "eval/regression.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/csv.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "base/text_output.h"
#include "base/version.h"
#include "cli/progress_bar.h"
#include "evaluate/predictions.h"
#include "evaluate/regression.h"
#include "heads/feature_matrix.h"
#include "heads/regression_head.h"
#include "store/sample_reader.h"
#include "store/sample_writer.h"

namespace mt::eval {

namespace {

constexpr std::size_t kBatchBytes = std::size_t{32} << 20;

std::string target_name(const RegressionHead& head, std::size_t k) {
  return head.target_names.empty() ? std::to_string(k) : head.target_names[k];
}

class Evaluation {
 public:
  Evaluation(const RegressionOptions& options, const Part& part, cli::ProgressBar& progress)
      : options_(options),
        head_(RegressionHead::from(part)),
        digest_(digest_of(part)),
        pool_(thread_count(options.common.threads)),
        progress_(progress),
        scorer_(head_.targets(), head_.sigmoid) {
    if (options.predictions.empty()) return;
    table_.emplace(options.predictions, options.force);
    std::string header = "id";
    for (std::size_t k = 0; k < head_.targets(); ++k) header += "," + csv_field("prediction:" + target_name(head_, k));
    table_->write(header + "\r\n");
  }

  void check(const std::string& input, const Schema& schema) const {
    const std::string doubt = doubt_about(schema, head_.input, head_.width(), input);
    if (!doubt.empty() && options_.strict) throw Error(input, doubt, "leave --strict out to score it anyway");
    if (!doubt.empty()) progress_.warn(input + ": " + doubt);
    if (schema.target_width != 0 &&
        (schema.target_width != head_.targets() || schema.target_names != head_.target_names)) {
      throw Error(input, fmt::format("has {} targets that are not the head's {}", schema.target_width, head_.targets()),
                  "tokenize it as the training samples were");
    }
  }

  void score(const std::string& input) {
    const auto reader = SampleReader::open(input);
    const Schema& schema = reader->schema();
    check(input, schema);
    open_writer(schema);
    const std::size_t rows =
        std::max<std::size_t>(64, kBatchBytes / sizeof(float) / std::max<std::size_t>(1, schema.width));
    while (auto batch = reader->next(rows, rows)) {
      throw_if_interrupted();
      const Tensor predicted = predictions(*batch, input);
      if (schema.target_width != 0) scorer_.add(batch->targets, predicted);
      if (table_) write_rows(batch->ids, predicted);
      progress_.advance(static_cast<std::int64_t>(batch->samples()), 0);
      if (!writer_) continue;
      Batch out;
      out.ids = std::move(batch->ids);
      out.index = std::move(batch->index);
      out.rejected = std::move(batch->rejected);
      out.targets = std::move(batch->targets);
      out.rows = predicted;
      writer_->write(out);
    }
    inputs_.add(SetDigest::from(reader->inputs()));
  }

  RegressionResult finish() {
    if (table_) table_->publish();
    if (writer_) {
      SetDigest inputs = inputs_;
      inputs.add("head", digest_);
      writer_->finish(inputs.value());
    }
    return scorer_.result();
  }

  const RegressionHead& head() const { return head_; }

 private:
  Tensor predictions(const Batch& batch, const std::string& input) {
    if (batch.samples() == 0) return Tensor(DType::f32, {0, head_.targets()});
    try {
      return head_.predict(feature_matrix(batch, head_.input.rows), pool_);
    } catch (const Error& error) {
      throw error.within(input);
    }
  }

  void open_writer(const Schema& samples) {
    if (options_.output.empty() || writer_) return;
    Schema schema;
    schema.kind = Kind::predictions;
    schema.modality = samples.modality;
    schema.creator = fmt::format("mt-eval {}", kVersion);
    schema.config = {{"samples", samples.config}, {"head", hex(digest_)}};
    schema.width = head_.targets();
    schema.ragged = false;
    schema.target_width = samples.target_width;
    schema.target_names = samples.target_names;
    WriteOptions write;
    write.force = options_.force;
    writer_ = SampleWriter::create(options_.output, schema, write);
  }

  void write_rows(const std::vector<std::string>& ids, const Tensor& predicted) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      std::string line = csv_field(ids[i]);
      for (const float value : predicted.row<float>(i)) line += "," + csv_number(value);
      table_->write(line + "\r\n");
    }
  }

  const RegressionOptions& options_;
  RegressionHead head_;
  Digest digest_;
  mutable ThreadPool pool_;
  cli::ProgressBar& progress_;
  RegressionScorer scorer_;
  std::optional<TextOutput> table_;
  std::unique_ptr<SampleWriter> writer_;
  SetDigest inputs_;
};

}  // namespace

cli::Outcome evaluate_regression(const RegressionOptions& options, const Part& head) {
  cli::ProgressBar progress("mt-eval", "evaluate", options.common);
  Evaluation evaluation(options, head, progress);
  if (options.dry_run) {
    for (const std::string& input : options.inputs) {
      const auto reader = SampleReader::open(input);
      evaluation.check(input, reader->schema());
      fmt::print("{}: {} samples of {} numbers, {} targets\n", printable(input),
                 reader->samples() ? std::to_string(*reader->samples()) : "a stream of", evaluation.head().width(),
                 evaluation.head().targets());
    }
    return cli::Outcome::done;
  }
  for (const std::string& input : options.inputs) evaluation.score(input);
  const RegressionResult result = evaluation.finish();
  progress.finish(options.output);
  if (result.samples == 0) {
    progress.note("no sample has targets: there are predictions, but no metrics");
    return cli::Outcome::done;
  }
  const bool data_on_stdout = options.output == "-" || options.predictions == "-";
  if (options.common.json)
    fmt::print("{}\n", json_report(result).dump(2));
  else if (!data_on_stdout || !options.common.quiet)
    fmt::print(data_on_stdout ? stderr : stdout, "{}", text_report(result));
  return cli::Outcome::done;
}

}  // namespace mt::eval
