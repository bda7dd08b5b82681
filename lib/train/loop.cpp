#include "train/loop.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"

namespace mt {

namespace {

Tensor view_of(const Tensor& tensor) {
  return Tensor::borrowed(tensor.dtype(), tensor.shape(), tensor.data(), nullptr);
}

// A loop between two steps; its members are what a state file holds.
class Loop {
 public:
  Loop(LearningTask& task, const LoopSettings& settings, Watch& watch)
      : task_(task),
        settings_(settings),
        watch_(watch),
        parameters_(learning(task.parameters())),
        optimiser_(Optimiser::make(settings.optimiser, parameters_)) {
    if (settings.ema > 0) average_ = values();
  }

  LoopResult run() {
    if (watch_.resumed) restore(*watch_.resumed);
    while (epoch_ < settings_.epochs && !stopped_early()) {
      task_.begin_epoch(epoch_, batch_);
      for (; batch_ < task_.batches_per_epoch(); step()) {
        if (watch_.states.due()) save();
        throw_if_interrupted();
      }
      end_epoch();
    }
    if (best_score_)
      set(best_);
    else if (!average_.empty())
      set(average_);
    return {.epochs = epoch_,
            .best_epoch = best_score_ ? best_epoch_ : epoch_,
            .steps = step_,
            .loss = last_loss_,
            .validation = best_score_};
  }

 private:
  static std::vector<Parameter*> learning(std::vector<Parameter*> parameters) {
    std::erase_if(parameters, [](const Parameter* parameter) { return !parameter->learns(); });
    return parameters;
  }

  std::vector<Tensor> values() const {
    std::vector<Tensor> result;
    for (const Parameter* parameter : parameters_) result.push_back(parameter->value);
    return result;
  }
  void set(const std::vector<Tensor>& values) {
    for (std::size_t p = 0; p < parameters_.size(); ++p) parameters_[p]->value = values[p];
    task_.parameters_changed();
  }

  bool stopped_early() const {
    return settings_.patience > 0 && best_score_ && epoch_ - best_epoch_ >= settings_.patience;
  }

  double progress_after_step() const {
    return static_cast<double>(epoch_) +
           static_cast<double>(batch_ + 1) / static_cast<double>(task_.batches_per_epoch());
  }

  void step() {
    const Timer watch;
    for (Parameter* parameter : parameters_) {
      const auto gradient = parameter->gradient.as<float>();
      std::fill(gradient.begin(), gradient.end(), 0.0F);
    }
    const LearningTask::BatchResult result = task_.learn(step_);
    const double norm = gradient_norm(parameters_);
    const double loss = result.loss / result.weight;
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      throw Error("training",
                  fmt::format("step {} of epoch {} ({}): the loss is {}, the gradient {}", step_, epoch_ + 1,
                              task_.describe_batch(), loss, norm),
                  "try a lower --learning-rate or --clip 1");
    }
    clip_gradients(parameters_, norm, settings_.clip);
    const double rate = settings_.schedule.at(progress_after_step());
    optimiser_->step(rate);
    task_.parameters_changed();
    follow();
    loss_sum_ += result.loss;
    weight_sum_ += result.weight;
    ++step_;
    ++batch_;
    const auto samples = static_cast<double>(result.samples);
    nlohmann::json entry = {{"event", "step"},
                            {"step", step_},
                            {"epoch", epoch_ + 1},
                            {"loss", loss},
                            {"rate", rate},
                            {"gradient_norm", norm},
                            {"samples_per_s", std::round(samples / std::max(watch.seconds(), 1e-9))}};
    std::optional<double> accuracy;
    if (result.right) entry["accuracy"] = *(accuracy = static_cast<double>(*result.right) / samples);
    watch_.log.write(entry);
    watch_.curve.add_training(step_, loss, accuracy);
    watch_.progress.advance(static_cast<std::int64_t>(result.samples));
  }

  // The moving average takes the step too. A young one follows faster, so that it forgets the beginning (the rule of
  // TensorFlow's ExponentialMovingAverage).
  void follow() {
    const auto count = static_cast<double>(step_);
    const auto keep = static_cast<float>(std::min(settings_.ema, (1 + count) / (10 + count)));
    for (std::size_t p = 0; p < average_.size(); ++p) {
      const auto value = std::as_const(parameters_[p]->value).as<float>();
      const auto average = average_[p].as<float>();
      for (std::size_t i = 0; i < value.size(); ++i) average[i] += (1 - keep) * (value[i] - average[i]);
    }
  }

  // By the averaged parameters where there are some.
  std::optional<HeadScore> validate() {
    if (average_.empty()) return task_.validate();
    const std::vector<Tensor> own = values();
    set(average_);
    const auto score = task_.validate();
    set(own);
    return score;
  }

  void end_epoch() {
    last_loss_ = weight_sum_ > 0 ? loss_sum_ / weight_sum_ : 0;
    loss_sum_ = weight_sum_ = 0;
    batch_ = 0;
    ++epoch_;
    nlohmann::json entry = {{"event", "epoch"}, {"step", step_}, {"epoch", epoch_}, {"loss", last_loss_}};
    if (const auto score = validate()) {
      entry["validation"] = to_json(*score);
      watch_.curve.add_validation(step_, *score);
      if (!best_score_ || better(*score, *best_score_, settings_.select)) {
        best_score_ = score;
        best_epoch_ = epoch_;
        keep_as_best();
        watch_.curve.keep(step_);
      }
      entry["best_epoch"] = best_epoch_;
    }
    watch_.log.write(entry);
  }

  // One by one, so that old and new ones are never there together.
  void keep_as_best() {
    best_.resize(parameters_.size());
    for (std::size_t p = 0; p < parameters_.size(); ++p)
      best_[p] = average_.empty() ? parameters_[p]->value : average_[p];
  }

  // Of views: the state may be a good part of the memory there is.
  void save() {
    TrainingState state;
    state.progress = {{"epoch", epoch_},
                      {"batch", batch_},
                      {"step", step_},
                      {"loss_sum", loss_sum_},
                      {"weight_sum", weight_sum_},
                      {"last_loss", last_loss_},
                      {"best_epoch", best_epoch_},
                      {"log_bytes", watch_.log.bytes()},
                      {"curve", watch_.curve.to_json()}};
    if (best_score_) state.progress["best_score"] = to_json(*best_score_);
    const auto put = [&](const char* kind, const std::vector<Tensor>& tensors) {
      for (std::size_t p = 0; p < tensors.size(); ++p) state.tensors.emplace(key(kind, p), view_of(tensors[p]));
    };
    for (std::size_t p = 0; p < parameters_.size(); ++p)
      state.tensors.emplace(key("parameter", p), view_of(parameters_[p]->value));
    put("best", best_);
    put("average", average_);
    for (const auto& [name, tensor] : optimiser_->state()) state.tensors.emplace("optimiser." + name, view_of(tensor));
    watch_.states.save(state);
  }

  void restore(const TrainingState& state) {
    const nlohmann::json& progress = state.progress;
    epoch_ = progress.at("epoch").get<std::size_t>();
    batch_ = progress.at("batch").get<std::size_t>();
    step_ = progress.at("step").get<std::uint64_t>();
    loss_sum_ = progress.at("loss_sum").get<double>();
    weight_sum_ = progress.at("weight_sum").get<double>();
    last_loss_ = progress.at("last_loss").get<double>();
    best_epoch_ = progress.at("best_epoch").get<std::size_t>();
    if (progress.contains("best_score")) best_score_ = head_score_from(progress.at("best_score"));
    watch_.curve = LearningCurve::from_json(progress.at("curve"));
    std::map<std::string, Tensor> optimiser;
    for (const auto& [name, tensor] : state.tensors) {
      if (name.starts_with("optimiser.")) optimiser.emplace(name.substr(10), tensor);
    }
    optimiser_->restore(optimiser);
    if (best_score_) best_ = taken(state, "best");
    if (!average_.empty()) average_ = taken(state, "average");
    set(taken(state, "parameter"));
  }

  // Parameters of two parts may have one name, so the number counts.
  std::string key(const char* kind, std::size_t number) const {
    return fmt::format("{}.{}.{}", kind, number, parameters_[number]->name);
  }

  std::vector<Tensor> taken(const TrainingState& state, const char* kind) const {
    std::vector<Tensor> result;
    for (std::size_t p = 0; p < parameters_.size(); ++p) {
      const auto found = state.tensors.find(key(kind, p));
      if (found == state.tensors.end() || found->second.shape() != parameters_[p]->value.shape()) {
        throw Error("checkpoint", fmt::format("{} is missing or misshapen", key(kind, p)),
                    "start again without --resume");
      }
      result.push_back(found->second);
    }
    return result;
  }

  LearningTask& task_;
  const LoopSettings& settings_;
  Watch& watch_;
  std::vector<Parameter*> parameters_;
  std::unique_ptr<Optimiser> optimiser_;

  std::size_t epoch_ = 0, batch_ = 0, best_epoch_ = 0;  // epoch_: done
  std::uint64_t step_ = 0;
  double loss_sum_ = 0, weight_sum_ = 0, last_loss_ = 0;
  std::optional<HeadScore> best_score_;
  std::vector<Tensor> best_, average_;  // of each parameter; average_ is empty where there is none
};

}  // namespace

nlohmann::json to_json(const LoopResult& result) {
  return {{"epochs", result.epochs}, {"best_epoch", result.best_epoch}, {"steps", result.steps}, {"loss", result.loss}};
}

std::string batch_named(const std::string& first, std::size_t samples) {
  return samples == 1 ? first : fmt::format("{} and {} more samples", first, samples - 1);
}

LoopResult run_loop(LearningTask& task, const LoopSettings& settings, Watch& watch) {
  return Loop(task, settings, watch).run();
}

}  // namespace mt
