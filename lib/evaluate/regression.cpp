#include "evaluate/regression.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

namespace mt {

void RegressionScorer::add(const Tensor& truth, const Tensor& predicted) {
  if (truth.shape() != predicted.shape() || truth.columns() != errors_.size())
    throw std::logic_error("RegressionScorer: truth and predictions of different shapes");
  for (std::size_t i = 0; i < truth.rows(); ++i) {
    ++samples_;
    const auto y = truth.row<float>(i), p = predicted.row<float>(i);
    for (std::size_t k = 0; k < errors_.size(); ++k) {
      Target& target = errors_[k];
      const double value = static_cast<double>(y[k]), error = static_cast<double>(p[k]) - value;
      target.squares += error * error;
      target.absolute += std::abs(error);
      const double distance = value - target.mean;
      target.mean += distance / static_cast<double>(samples_);
      target.spread += distance * (value - target.mean);
      right_ += (p[k] >= 0.5F) == (y[k] >= 0.5F) ? 1 : 0;
    }
  }
}

RegressionResult RegressionScorer::result() const {
  RegressionResult result;
  result.samples = samples_;
  result.targets = errors_.size();
  double squares = 0, absolute = 0, spread = 0;
  for (const Target& target : errors_) {
    squares += target.squares;
    absolute += target.absolute;
    spread += target.spread;
  }
  const double n = static_cast<double>(samples_) * static_cast<double>(errors_.size());
  result.mse = squares / n;
  result.mae = absolute / n;
  if (probabilities_) result.accuracy = static_cast<double>(right_) / n;
  result.r2 = spread > 0 ? 1 - squares / spread : std::numeric_limits<double>::quiet_NaN();
  return result;
}

std::string text_report(const RegressionResult& result) {
  std::string report = fmt::format("{} samples, {} targets\n\n", result.samples, result.targets);
  const auto line = [&](const char* name, double value) {
    report += fmt::format("{:<{}}  {:.4f}\n", name, result.accuracy ? 8 : 4, value);
  };
  if (result.accuracy) line("accuracy", *result.accuracy);
  line("mse", result.mse);
  line("mae", result.mae);
  line("rmse", std::sqrt(result.mse));
  line("r2", result.r2);
  return report;
}

nlohmann::ordered_json json_report(const RegressionResult& result) {
  const auto number = [](double x) {
    return std::isfinite(x) ? nlohmann::ordered_json(x) : nlohmann::ordered_json(nullptr);
  };
  nlohmann::ordered_json report;
  report["samples"] = result.samples;
  report["targets"] = result.targets;
  report["metrics"] = {{"mse", number(result.mse)},
                       {"mae", number(result.mae)},
                       {"rmse", number(std::sqrt(result.mse))},
                       {"r2", number(result.r2)}};
  if (result.accuracy) report["metrics"]["accuracy"] = *result.accuracy;
  return report;
}

}  // namespace mt
