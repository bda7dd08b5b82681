#include "train/probe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "train/lbfgs.h"
#include "train/linear_preconditioner.h"

namespace mt {

namespace {

constexpr std::array kDecades = {1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6};
constexpr double kHalfDecade = 3.1622776601683795;

std::size_t best_of(const std::vector<ProbeTrial>& trials, Criterion select) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < trials.size(); ++i) {
    if (better(trials[i].validation, trials[best].validation, select)) best = i;
  }
  return best;
}

// The next strength to try, from what the earlier ones gave; nullopt when the search is over.
std::optional<double> next_l2(const ProbeSettings& settings, const std::vector<ProbeTrial>& trials) {
  if (!settings.l2.empty()) {
    return trials.size() < settings.l2.size() ? std::optional(settings.l2[trials.size()]) : std::nullopt;
  }
  std::size_t decades = 0;  // trials begin with decades; what follows are half decades
  while (decades < std::min(trials.size(), kDecades.size()) && trials[decades].l2 == kDecades[decades]) ++decades;
  if (decades == 0) return kDecades[0];
  const std::vector<ProbeTrial> coarse(trials.begin(), trials.begin() + static_cast<std::ptrdiff_t>(decades));
  const std::size_t best = best_of(coarse, settings.select);
  if (decades == trials.size() && decades < kDecades.size() && decades - best <= 2) return kDecades[decades];
  for (const double l2 : {kDecades[best] * kHalfDecade, kDecades[best] / kHalfDecade}) {
    const auto tried = [&](const ProbeTrial& trial) { return trial.l2 == l2; };
    if (std::none_of(trials.begin(), trials.end(), tried)) return l2;
  }
  return std::nullopt;
}

}  // namespace

nlohmann::json to_json(const ProbeTrial& trial) {
  nlohmann::json json = {{"l2", trial.l2},
                         {"objective", trial.objective},
                         {"iterations", trial.iterations},
                         {"passes", trial.evaluations},
                         {"converged", trial.converged}};
  if (trial.validation.samples > 0) json["validation"] = to_json(trial.validation);
  return json;
}

namespace {

ProbeTrial trial_from(const nlohmann::json& json) {
  ProbeTrial trial;
  trial.l2 = json.at("l2").get<double>();
  trial.objective = json.at("objective").get<double>();
  trial.iterations = json.at("iterations").get<std::size_t>();
  trial.evaluations = json.at("passes").get<std::size_t>();
  trial.converged = json.at("converged").get<bool>();
  if (json.contains("validation")) trial.validation = head_score_from(json.at("validation"));
  return trial;
}

// One probe from its first strength to its refit; its members are what a state file holds.
class Probe {
 public:
  Probe(SampleMatrix& matrix, std::size_t train_end, const CrossEntropy& loss, const ProbeSettings& settings,
        Watch& watch)
      : matrix_(matrix),
        train_end_(train_end),
        settings_(settings),
        watch_(watch),
        loss_(loss),
        preconditioner_(matrix, 0, train_end, loss.classes()) {}

  ProbeResult run() {
    if (watch_.resumed) restore(*watch_.resumed);
    const bool validates = train_end_ < matrix_.size();
    if (!validates && settings_.l2.size() != 1) throw std::logic_error("probe: nothing to choose l2 on");
    if (stage_ == Stage::search) {
      LinearObjective objective(matrix_, 0, train_end_, loss_);
      if (x_.empty()) x_.assign(objective.parameters(), 0.0);
      while (const auto l2 = next_l2(settings_, result_.trials)) {
        ProbeTrial trial = solve(objective, *l2);
        if (validates) trial.validation = objective.score(x_, train_end_, matrix_.size());
        if (validates) watch_.curve.add_validation(passes_, trial.validation);
        result_.trials.push_back(trial);
        watch_.log.write({{"event", "validation"}, {"trial", to_json(trial)}});
        if (best_of(result_.trials, settings_.select) + 1 == result_.trials.size()) best_x_ = x_;
      }
    }
    result_.best = best_of(result_.trials, settings_.select);
    result_.last = result_.trials[result_.best];
    result_.refitted = settings_.refit && validates;
    if (result_.refitted) {
      if (stage_ == Stage::search) x_ = best_x_;
      stage_ = Stage::refit;
      LinearObjective objective(matrix_, 0, matrix_.size(), loss_);
      result_.last = solve(objective, result_.last.l2);
      best_x_ = x_;
    }
    result_.x = best_x_;
    return std::move(result_);
  }

 private:
  enum class Stage { search, refit };

  // A safe point: saves when it is time, stops when asked to.
  void rest(const Lbfgs& solver) {
    if (watch_.states.due()) save(solver);
    throw_if_interrupted();
  }

  ProbeTrial solve(LinearObjective& objective, double l2) {
    objective.set_l2(l2);
    preconditioner_.set_l2(l2);
    Lbfgs solver(
        {.memory = 10, .tolerance = settings_.tolerance, .max_evaluations = 40},
        [&](std::span<const double> x, std::span<double> gradient) {
          const double value = objective(x, gradient);
          ++passes_;
          watch_.progress.advance(static_cast<std::int64_t>(objective.samples()));
          return value;
        },
        [&](std::span<const double> v, std::span<double> out) { preconditioner_(v, out); });
    if (solver_state_.empty())
      solver.start(x_);
    else
      solver.restore(std::exchange(solver_state_, {}));
    if (!std::isfinite(solver.value()))
      throw Error("training", "the loss is not finite at the start", "check the features with mt-inspect");
    rest(solver);  // the first pass may be a long one

    auto status = Lbfgs::Status::moved;
    while (status == Lbfgs::Status::moved && solver.iterations() < settings_.max_iterations) {
      const Timer watch;
      const std::size_t before = solver.evaluations();
      status = solver.step();
      const double rate =
          static_cast<double>((solver.evaluations() - before) * objective.samples()) / std::max(watch.seconds(), 1e-9);
      watch_.log.write({{"event", "step"},
                        {"stage", stage_ == Stage::search ? "search" : "refit"},
                        {"l2", l2},
                        {"step", solver.iterations()},
                        {"epoch", passes_},
                        {"loss", solver.value()},
                        {"rate", solver.last_step()},
                        {"gradient_norm", solver.gradient_size()},
                        {"samples_per_s", std::round(rate)}});
      watch_.curve.add_training(passes_, solver.value(), std::nullopt);
      rest(solver);
    }
    x_ = solver.x();
    ProbeTrial trial;
    trial.l2 = l2;
    trial.objective = solver.value();
    trial.iterations = solver.iterations();
    trial.evaluations = solver.evaluations();
    trial.converged = status == Lbfgs::Status::converged;
    return trial;
  }

  void save(const Lbfgs& solver) {
    TrainingState state;
    state.progress = {{"stage", stage_ == Stage::search ? "search" : "refit"},
                      {"passes", passes_},
                      {"log_bytes", watch_.log.bytes()},
                      {"curve", watch_.curve.to_json()}};
    state.progress["trials"] = nlohmann::json::array();
    for (const ProbeTrial& trial : result_.trials) state.progress["trials"].push_back(to_json(trial));
    for (auto& [name, tensor] : solver.state()) state.tensors.emplace("solver." + name, tensor);
    if (!best_x_.empty())
      state.tensors.emplace("best", Tensor::of<double>({best_x_.size()}, std::span<const double>(best_x_)));
    watch_.states.save(state);
  }

  void restore(const TrainingState& state) {
    stage_ = state.progress.at("stage") == "search" ? Stage::search : Stage::refit;
    passes_ = state.progress.at("passes").get<std::size_t>();
    watch_.curve = LearningCurve::from_json(state.progress.at("curve"));
    for (const auto& trial : state.progress.at("trials")) result_.trials.push_back(trial_from(trial));
    for (const auto& [name, tensor] : state.tensors) {
      if (name.starts_with("solver.")) solver_state_.emplace(name.substr(7), tensor);
    }
    if (const auto best = state.tensors.find("best"); best != state.tensors.end()) {
      const auto values = best->second.as<double>();
      best_x_.assign(values.begin(), values.end());
    }
    const auto x = solver_state_.at("x").as<double>();
    x_.assign(x.begin(), x.end());
  }

  SampleMatrix& matrix_;
  std::size_t train_end_;
  const ProbeSettings& settings_;
  Watch& watch_;
  CrossEntropy loss_;
  LinearPreconditioner preconditioner_;

  Stage stage_ = Stage::search;
  ProbeResult result_;
  std::vector<double> x_, best_x_;
  std::map<std::string, Tensor> solver_state_;
  std::size_t passes_ = 0;  // over the data, of all fits
};

}  // namespace

ProbeResult train_probe(SampleMatrix& matrix, std::size_t train_end, const CrossEntropy& loss,
                        const ProbeSettings& settings, Watch& watch) {
  return Probe(matrix, train_end, loss, settings, watch).run();
}

}  // namespace mt
