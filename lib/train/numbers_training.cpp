#include "train/numbers_training.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "heads/feature_matrix.h"
#include "train/numbers_task.h"
#include "train/training_samples.h"

namespace mt {

namespace {

constexpr std::size_t kReadAtOnce = 1024;  // samples

}  // namespace

NumbersTraining::NumbersTraining(const HeadTrainingSettings& settings, ThreadPool& pool, Progress& progress)
    : settings_(settings), pool_(pool), set_(Supervision::numbers, std::nullopt) {
  for (const std::string& name : settings.features) set_.add(name);
  HoldOut parts = divide_samples(set_, settings, progress);
  train_ = std::move(parts.train);
  validation_ = std::move(parts.validation);
  targets_ = measure_targets(set_, train_, validation_, settings.loss);
  rows_ = set_.patches(train_.front());
  width_ = rows_ * set_.schema().width;
  measure_features();
}

// And the fingerprint of the run.
void NumbersTraining::measure_features() {
  Moments moments(width_), others(width_);
  for (const std::vector<std::size_t>* part : {&train_, &validation_}) {
    for (std::size_t begin = 0; begin < part->size(); begin += kReadAtOnce) {
      throw_if_interrupted();
      const auto samples = std::span(*part).subspan(begin, std::min(kReadAtOnce, part->size() - begin));
      const Tensor features = feature_matrix(set_.read(samples), rows_);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        const auto row = features.row<float>(i);
        if (!std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); }))
          throw Error(set_.describe(samples[i]), "has a feature that is not finite", "leave it out with mt-cat");
      }
      (part == &train_ ? moments : others).add(features.as<float>().data(), samples.size());
    }
  }
  if (settings_.standardise) standardisation_ = moments.standardisation();
  run_ = run_digest(settings_, set_.digest(), moments, others);
}

NetworkShape NumbersTraining::network_shape() const {
  return network_shape_of(settings_, width_, set_.schema().target_width);
}

nlohmann::json NumbersTraining::plan() const {
  return {{"kind", name_of(settings_.kind)},
          {"targets", set_.schema().target_width},
          {"width", width_},
          {"samples", {{"train", train_.size()}, {"validation", validation_.size()}, {"unlabelled", 0}}},
          {"feature_bytes", std::uint64_t{train_.size() + validation_.size()} * width_ * sizeof(float)},
          {"in_memory", false},
          {"parameters", network_shape().parameter_count()}};
}

TrainedHead NumbersTraining::train(Watch& watch) {
  Network network(network_shape(), settings_.seed);
  const auto loss = make_loss(settings_.loss, set_.schema().target_width, 0, {});
  NumbersTask task({.network = network,
                    .set = set_,
                    .standardisation = standardisation_ ? &*standardisation_ : nullptr,
                    .targets = targets_,
                    .loss = *loss,
                    .pool = pool_},
                   train_, validation_, settings_.batch, settings_.seed);
  watch.progress.total(static_cast<std::int64_t>(train_.size() * settings_.loop.epochs));
  const LoopResult fit = run_loop(task, loop_settings_of(settings_), watch);

  nlohmann::json metrics = settings_.to_json();
  metrics["run"] = run_;
  metrics["samples"] = plan()["samples"];
  metrics["targets"] = set_.schema().target_width;
  metrics["fit"] = to_json(fit);
  if (fit.validation) metrics["validation_score"] = to_json(*fit.validation);
  RegressionHead head = head_of_numbers(std::move(network), targets_, standardisation_, set_.schema().target_names);
  head.input = head_input_of(set_.schema(), rows_);
  head.training = metrics;
  return {head.to_part(), std::move(metrics)};
}

}  // namespace mt
