#include "train/optimisers.h"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

// The name of a parameter's state. Parameters of two parts may have one name, so the number counts.
std::string key(const char* kind, std::size_t number, const Parameter& parameter) {
  return fmt::format("{}.{}.{}", kind, number, parameter.name);
}

// A state tensor of each parameter.
std::map<std::string, Tensor> like(const std::vector<Parameter*>& parameters, const char* kind) {
  std::map<std::string, Tensor> result;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    result.emplace(key(kind, p, *parameters[p]), Tensor(DType::f32, parameters[p]->value.shape()));
  }
  return result;
}

void restore_into(std::map<std::string, Tensor>& target, const std::map<std::string, Tensor>& state) {
  for (auto& [name, tensor] : target) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.shape() != tensor.shape() || found->second.dtype() != tensor.dtype()) {
      throw Error("checkpoint", fmt::format("{} is missing or misshapen", name), "start again without --resume");
    }
    tensor = found->second.rows_copy(0, found->second.rows());
  }
}

class AdamW : public Optimiser {
 public:
  AdamW(const OptimiserSettings& settings, std::vector<Parameter*> parameters)
      : settings_(settings), parameters_(std::move(parameters)), state_(like(parameters_, "mean")) {
    state_.merge(like(parameters_, "square"));
    state_.emplace("step", Tensor(DType::i64, {1}));
  }

  void step(double rate) override {
    const auto count = static_cast<double>(++state_.at("step").as<std::int64_t>()[0]);
    const double correction1 = 1 - std::pow(settings_.beta1, count);
    const double correction2 = std::sqrt(1 - std::pow(settings_.beta2, count));
    for (std::size_t p = 0; p < parameters_.size(); ++p) {
      Parameter* const parameter = parameters_[p];
      if (!parameter->learns()) continue;
      const auto value = parameter->value.as<float>();
      const auto gradient = std::as_const(parameter->gradient).as<float>();
      const auto mean = state_.at(key("mean", p, *parameter)).as<float>();
      const auto square = state_.at(key("square", p, *parameter)).as<float>();
      const double own_rate = rate * parameter->rate;
      const double keep = parameter->decays ? 1 - own_rate * settings_.weight_decay : 1;
      for (std::size_t i = 0; i < value.size(); ++i) {
        const double slope = gradient[i];
        mean[i] = static_cast<float>(settings_.beta1 * mean[i] + (1 - settings_.beta1) * slope);
        square[i] = static_cast<float>(settings_.beta2 * square[i] + (1 - settings_.beta2) * slope * slope);
        const double scale = std::sqrt(static_cast<double>(square[i])) / correction2 + settings_.eps;
        value[i] = static_cast<float>(value[i] * keep - own_rate / correction1 * mean[i] / scale);
      }
    }
  }

  const std::map<std::string, Tensor>& state() const override { return state_; }
  void restore(const std::map<std::string, Tensor>& state) override { restore_into(state_, state); }

 private:
  OptimiserSettings settings_;
  std::vector<Parameter*> parameters_;
  std::map<std::string, Tensor> state_;
};

class Sgd : public Optimiser {
 public:
  Sgd(const OptimiserSettings& settings, std::vector<Parameter*> parameters)
      : settings_(settings), parameters_(std::move(parameters)), state_(like(parameters_, "velocity")) {}

  void step(double rate) override {
    for (std::size_t p = 0; p < parameters_.size(); ++p) {
      Parameter* const parameter = parameters_[p];
      if (!parameter->learns()) continue;
      const auto value = parameter->value.as<float>();
      const auto gradient = std::as_const(parameter->gradient).as<float>();
      const auto velocity = state_.at(key("velocity", p, *parameter)).as<float>();
      const double decay = parameter->decays ? settings_.weight_decay : 0;
      for (std::size_t i = 0; i < value.size(); ++i) {
        // Velocity starts at zero, so the first step needs no case of its own.
        velocity[i] = static_cast<float>(settings_.momentum * velocity[i] + gradient[i] + decay * value[i]);
        value[i] = static_cast<float>(value[i] - rate * parameter->rate * velocity[i]);
      }
    }
  }

  const std::map<std::string, Tensor>& state() const override { return state_; }
  void restore(const std::map<std::string, Tensor>& state) override { restore_into(state_, state); }

 private:
  OptimiserSettings settings_;
  std::vector<Parameter*> parameters_;
  std::map<std::string, Tensor> state_;
};

}  // namespace

std::unique_ptr<Optimiser> Optimiser::make(const OptimiserSettings& settings, std::vector<Parameter*> parameters) {
  if (settings.kind == "adamw") return std::make_unique<AdamW>(settings, std::move(parameters));
  if (settings.kind == "sgd") return std::make_unique<Sgd>(settings, std::move(parameters));
  throw Error(settings.kind, "is not an optimiser of this loop", "use adamw or sgd");
}

double gradient_norm(const std::vector<Parameter*>& parameters) {
  double sum = 0;
  for (const Parameter* parameter : parameters) {
    if (!parameter->learns()) continue;
    for (const float value : parameter->gradient.as<float>()) sum += static_cast<double>(value) * value;
  }
  return std::sqrt(sum);
}

void clip_gradients(const std::vector<Parameter*>& parameters, double norm, double limit) {
  if (limit <= 0 || norm <= limit) return;
  const auto scale = static_cast<float>(limit / (norm + 1e-6));  // as PyTorch's clip_grad_norm_
  for (Parameter* parameter : parameters) {
    if (!parameter->learns()) continue;
    for (float& value : parameter->gradient.as<float>()) value *= scale;
  }
}

}  // namespace mt
