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
  result.r2 = spread > 0 ? 1 - squares / spread : std::numeric_limits<double>::quiet_NaN();
  return result;
}

std::string text_report(const RegressionResult& result) {
  return fmt::format("{} samples, {} targets\n\nmse   {:.4f}\nmae   {:.4f}\nrmse  {:.4f}\nr2    {:.4f}\n",
                     result.samples, result.targets, result.mse, result.mae, std::sqrt(result.mse), result.r2);
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
  return report;
}

}  // namespace mt
