#include "evaluate/outcome.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

std::size_t prediction_of(std::span<const float> scores) {
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

std::uint32_t calibration_bin(float confidence) {
  constexpr double kBins = static_cast<double>(kCalibrationBins);
  const double wanted = std::ceil(static_cast<double>(confidence) * kBins) - 1;
  auto bin = static_cast<std::uint32_t>(std::clamp(wanted, 0.0, kBins - 1));
  // The product above is rounded; the edges decide.
  const auto edge = [](std::uint32_t i) { return static_cast<double>(i) / kBins; };
  if (bin > 0 && static_cast<double>(confidence) <= edge(bin)) --bin;
  if (bin + 1 < kCalibrationBins && static_cast<double>(confidence) > edge(bin + 1)) ++bin;
  return bin;
}

Outcome outcome_of(std::span<const float> scores, std::int32_t label) {
  if (label < 0 || static_cast<std::size_t>(label) >= scores.size()) {
    throw std::logic_error(fmt::format("outcome_of: label {} of {} classes", label, scores.size()));
  }
  const auto truth = static_cast<std::size_t>(label);
  Outcome outcome;
  outcome.label = label;
  outcome.score = scores[truth];
  double squares = 0;
  for (std::size_t c = 0; c < scores.size(); ++c) {
    if (!std::isfinite(scores[c])) throw Error("", fmt::format("the score of class {} is {}", c, scores[c]));
    const double difference = static_cast<double>(scores[c]) - (c == truth ? 1.0 : 0.0);
    squares += difference * difference;
    if (scores[c] > outcome.score || (scores[c] == outcome.score && c > truth)) ++outcome.rank;
  }
  const std::size_t prediction = prediction_of(scores);
  outcome.prediction = static_cast<std::int32_t>(prediction);
  outcome.confidence = scores[prediction];
  outcome.bin = calibration_bin(outcome.confidence);
  outcome.squared_error = static_cast<float>(squares);
  constexpr float kEps = std::numeric_limits<float>::epsilon();
  outcome.loss = static_cast<float>(-std::log(static_cast<double>(std::clamp(outcome.score, kEps, 1.0F - kEps))));
  return outcome;
}

}  // namespace mt
