#include "train/head_training.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "heads/network_head.h"
#include "train/closed_form.h"
#include "train/linear_objective.h"
#include "train/network_task.h"
#include "train/sample_tiles.h"
#include "train/training_samples.h"

namespace mt {

namespace {

bool uses_lbfgs(const HeadTrainingSettings& settings) {
  return settings.kind == HeadKind::linear && settings.optimiser == "lbfgs";
}

// The weights learned on shifted features as weights for the features themselves: bias - weight * mean.
void unshift(std::vector<double>& x, std::size_t classes, std::span<const float> mean) {
  const std::size_t width = mean.size();
  for (std::size_t c = 0; c < classes; ++c) {
    for (std::size_t d = 0; d < width; ++d) x[classes * width + c] -= x[c * width + d] * mean[d];
  }
}

}  // namespace

nlohmann::json HeadTrainingSettings::to_json() const {
  nlohmann::json json = {
      {"kind", name_of(kind)},
      {"standardise", standardise},
      {"seed", seed},
      {"select", name_of(select)},
      {"validation", validation_files.empty() ? nlohmann::json(validation) : nlohmann::json("file")}};
  if (regression) json["task"] = "regression";
  if (!group.empty()) json["group"] = group == "source" || group == "folder" ? group : "file";
  const bool weightless = kind == HeadKind::nearest_mean || kind == HeadKind::knn;
  if (weightless) json["distance"] = name_of(neighbours.distance);
  if (kind == HeadKind::knn) {
    json["k"] = neighbours.k;
    json["vote"] = name_of(neighbours.vote);
    json["half"] = half;
  }
  if (weightless || uses_lbfgs(*this)) json["refit"] = probe.refit;
  if (weightless) return json;
  json["loss"] = loss.to_json();
  if (loss.kind == LossChoice::Kind::cross_entropy || smoothing > 0) json["loss"]["smoothing"] = smoothing;
  if (balanced)
    json["loss"]["class_weights"] = "balanced";
  else if (!class_weights.empty())
    json["loss"]["class_weights"] = class_weights;
  json["optimizer"] = optimiser;
  if (uses_lbfgs(*this)) {
    json["l2"] = probe.l2.empty() ? nlohmann::json("auto") : nlohmann::json(probe.l2);
    json["tolerance"] = probe.tolerance;
    json["iterations"] = probe.max_iterations;
    return json;
  }
  if (kind == HeadKind::mlp) {
    json["hidden"] = hidden;
    json["activation"] = name_of(activation);
    json["dropout"] = dropout;
  }
  json["epochs"] = loop.epochs;
  json["batch"] = batch;
  json["rate"] = loop.schedule.rate;
  json["schedule"] = name_of(loop.schedule.kind);
  json["warm_up"] = loop.schedule.warm_up_epochs;
  if (loop.schedule.kind == Schedule::Kind::step) {
    json["step_epochs"] = loop.schedule.step_epochs;
    json["step_factor"] = loop.schedule.step_factor;
  }
  json["weight_decay"] = loop.optimiser.weight_decay;
  if (optimiser == "sgd") json["momentum"] = loop.optimiser.momentum;
  json["clip"] = loop.clip;
  json["patience"] = loop.patience;
  return json;
}

HeadTraining::HeadTraining(const HeadTrainingSettings& settings, ThreadPool& pool, Progress& progress)
    : settings_(settings), pool_(pool), set_(settings.memory) {
  open_training_files(set_, settings, progress);
  arrange(progress);

  const Moments moments = matrix_->measure(0, train_end_);
  const Moments others =
      matrix_->measure(train_end_, matrix_->size());  // measured for strange values, and as a fingerprint
  run_ = run_digest(settings, set_.digest(), moments, others);

  standardisation_ = moments.standardisation();
  if (settings.standardise || uses_lbfgs(settings)) {
    // Shifted features have the same optimum, since the bias is free, and reach it sooner: L-BFGS always gets those.
    if (!settings.standardise) standardisation_.deviation.assign(set_.width(), 1.0F);
    matrix_->standardise(standardisation_);
  }
}

// Decides which samples train and which validate, and puts the ones before the others.
void HeadTraining::arrange(Progress& progress) {
  counts_ = set_.class_counts(0, set_.samples());
  HoldOut parts = divide_samples(set_, settings_, progress);
  train_end_ = parts.train.size();
  std::vector<std::size_t> order = std::move(parts.train);
  order.insert(order.end(), parts.validation.begin(), parts.validation.end());
  matrix_.emplace(set_, std::move(order), settings_.memory, pool_);
}

nlohmann::json HeadTraining::plan() const {
  nlohmann::json json = {
      {"kind", name_of(settings_.kind)},
      {"classes", classes()},
      {"width", set_.width()},
      {"samples",
       {{"train", train_end_}, {"validation", matrix_->size() - train_end_}, {"unlabelled", set_.unlabelled()}}},
      {"feature_bytes", std::uint64_t{matrix_->size()} * set_.width() * sizeof(float)},
      {"in_memory", matrix_->in_memory()}};
  switch (settings_.kind) {
    case HeadKind::linear:
    case HeadKind::mlp:
      json["parameters"] = network_shape().parameter_count();
      break;
    case HeadKind::nearest_mean:
      json["parameters"] = classes() * set_.width();
      break;
    case HeadKind::knn:
      json["parameters"] = 0;
      break;
  }
  return json;
}

std::vector<double> HeadTraining::class_weights() const {
  return settings_.balanced ? balanced_class_weights(counts_) : settings_.class_weights;
}

NetworkShape HeadTraining::network_shape() const { return network_shape_of(settings_, set_.width(), classes()); }

HeadDescription HeadTraining::describe(nlohmann::json training) const {
  HeadDescription description;
  description.width = set_.width();
  description.class_names = set_.class_names();
  description.input = set_.input();
  if (settings_.standardise) description.standardisation = standardisation_;
  description.training = std::move(training);
  return description;
}

// head takes the matrix's rows as they are.
HeadScore HeadTraining::validate(const Head& head) {
  return score_positions(
      *matrix_, train_end_, matrix_->size(), classes(), CrossEntropy(classes()),
      [&](const float* rows, std::size_t count, float* logits) { head.logits_of_rows(rows, count, logits); });
}

TrainedHead HeadTraining::train(Watch& watch) {
  nlohmann::json metrics = settings_.to_json();
  metrics["run"] = run_;
  metrics["samples"] = plan()["samples"];
  std::unique_ptr<Head> head;
  switch (settings_.kind) {
    case HeadKind::linear:
    case HeadKind::mlp:
      head = uses_lbfgs(settings_) ? train_linear(watch, metrics) : train_network(watch, metrics);
      break;
    case HeadKind::nearest_mean:
      head = train_nearest_mean(watch, metrics);
      break;
    case HeadKind::knn:
      head = train_neighbours(watch, metrics);
      break;
  }
  return {head->to_part(), std::move(metrics)};
}

std::unique_ptr<Head> HeadTraining::train_linear(Watch& watch, nlohmann::json& metrics) {
  ProbeSettings probe = settings_.probe;
  probe.select = settings_.select;
  probe.refit = probe.refit && holds_out(settings_);
  ProbeResult result =
      train_probe(*matrix_, train_end_, CrossEntropy(classes(), settings_.smoothing, class_weights()), probe, watch);
  if (!result.last.converged) {
    watch.progress.note(fmt::format("L-BFGS stopped after {} iterations before the gradient reached --tolerance {:g}",
                                    result.last.iterations, probe.tolerance));
  }
  metrics["trials"] = nlohmann::json::array();
  for (const ProbeTrial& trial : result.trials) metrics["trials"].push_back(to_json(trial));
  metrics["fit"] = to_json(result.last);
  metrics["fit"].erase("validation");
  metrics["fit"]["refitted"] = result.refitted;
  if (validates()) metrics["validation_score"] = to_json(result.trials[result.best].validation);

  if (!settings_.standardise) unshift(result.x, classes(), standardisation_.mean);
  const std::size_t weights = classes() * set_.width();
  const std::vector<float> values(result.x.begin(), result.x.end());
  std::map<std::string, Tensor> tensors;
  tensors.emplace("layers.0.weight", Tensor::of<float>({classes(), set_.width()}, std::span(values).first(weights)));
  tensors.emplace("layers.0.bias", Tensor::of<float>({classes()}, std::span(values).subspan(weights)));
  return std::make_unique<NetworkHead>(describe(metrics), Network(network_shape(), tensors));
}

std::unique_ptr<Head> HeadTraining::train_network(Watch& watch, nlohmann::json& metrics) {
  Network network(network_shape(), settings_.seed);
  const auto loss = make_loss(settings_.loss, classes(), settings_.smoothing, class_weights());
  NetworkTask task(network, *matrix_, train_end_, *loss, settings_.batch, settings_.seed);
  const LoopResult result = run_loop(task, loop_settings_of(settings_), watch);
  metrics["fit"] = to_json(result);
  if (result.validation) metrics["validation_score"] = to_json(*result.validation);
  HeadDescription description = describe(metrics);
  description.one_vs_rest = settings_.loss.kind == LossChoice::Kind::bce;
  return std::make_unique<NetworkHead>(std::move(description), std::move(network));
}

std::unique_ptr<Head> HeadTraining::train_nearest_mean(Watch& watch, nlohmann::json& metrics) {
  const Distance distance = settings_.neighbours.distance;
  HeadDescription bare = describe({});
  bare.standardisation.reset();
  ClassMeans fit = class_means(*matrix_, 0, train_end_, classes(), distance);
  // The variance of round Gaussians around the means; calibrated where there are samples to calibrate on.
  constexpr double kLeastVariance = 1e-12;
  double scale = 1 / std::max(fit.variance, kLeastVariance);
  if (validates()) {
    scale = calibrated_scale(NearestMeanHead(bare, fit.means, distance, 1), *matrix_, train_end_, matrix_->size());
    metrics["validation_score"] = to_json(validate(NearestMeanHead(bare, fit.means, distance, scale)));
  }
  const bool refit = settings_.probe.refit && holds_out(settings_);
  if (refit) fit = class_means(*matrix_, 0, matrix_->size(), classes(), distance);
  metrics["fit"] = {{"refitted", refit}, {"scale", scale}};
  watch.progress.advance(static_cast<std::int64_t>(matrix_->size()));
  return std::make_unique<NearestMeanHead>(describe(metrics), std::move(fit.means), distance, scale);
}

std::unique_ptr<Head> HeadTraining::train_neighbours(Watch& watch, nlohmann::json& metrics) {
  const std::uint64_t bytes = std::uint64_t{matrix_->size()} * set_.width() * (settings_.half ? 2 : 4);
  if (bytes > settings_.memory) {
    throw Error(
        "--kind knn",
        fmt::format("keeps {} of features, --memory allows {}", human_bytes(bytes), human_bytes(settings_.memory)),
        "raise --memory, give --half, or choose fewer samples with mt-cat");
  }
  const auto make = [&](HeadDescription description, std::size_t end) {
    KeptSamples kept = keep_samples(*matrix_, 0, end, settings_.half);
    return std::make_unique<NeighboursHead>(std::move(description), std::move(kept.rows), std::move(kept.labels),
                                            settings_.neighbours);
  };
  if (validates()) {
    HeadDescription bare = describe({});
    bare.standardisation.reset();
    metrics["validation_score"] = to_json(validate(*make(std::move(bare), train_end_)));
  }
  const bool refit = settings_.probe.refit && holds_out(settings_);
  metrics["fit"] = {{"refitted", refit}};
  watch.progress.advance(static_cast<std::int64_t>(matrix_->size()));
  return make(describe(metrics), refit ? matrix_->size() : train_end_);
}

}  // namespace mt
