#include "train/learning_curve.h"

namespace mt {

void LearningCurve::Series::add(std::uint64_t step, double loss, std::optional<double> accuracy) {
  if (sums_.empty() || sums_.back().count == stride_) {
    if (sums_.size() == kPoints) {
      for (std::size_t i = 0; i < kPoints / 2; ++i) {
        const Sum &a = sums_[2 * i], &b = sums_[2 * i + 1];
        sums_[i] = {b.step, a.loss + b.loss, a.accuracy + b.accuracy, a.count + b.count, a.scored + b.scored};
      }
      sums_.resize(kPoints / 2);
      stride_ *= 2;
    }
    sums_.emplace_back();
  }
  Sum& last = sums_.back();
  last.step = static_cast<double>(step);
  last.loss += loss;
  last.accuracy += accuracy.value_or(0);
  ++last.count;
  if (accuracy) ++last.scored;
}

std::vector<LearningCurve::Point> LearningCurve::Series::points() const {
  std::vector<Point> result;
  for (const Sum& sum : sums_) {
    Point point{sum.step, sum.loss / static_cast<double>(sum.count), std::nullopt};
    if (sum.scored > 0) point.accuracy = sum.accuracy / static_cast<double>(sum.scored);
    result.push_back(point);
  }
  return result;
}

nlohmann::json LearningCurve::Series::to_json() const {
  nlohmann::json sums = nlohmann::json::array();
  for (const Sum& sum : sums_) sums.push_back({sum.step, sum.loss, sum.accuracy, sum.count, sum.scored});
  return {{"stride", stride_}, {"sums", std::move(sums)}};
}

LearningCurve::Series LearningCurve::Series::from_json(const nlohmann::json& json) {
  Series series;
  series.stride_ = json.at("stride").get<std::uint64_t>();
  for (const nlohmann::json& sum : json.at("sums")) {
    series.sums_.push_back({sum.at(0).get<double>(), sum.at(1).get<double>(), sum.at(2).get<double>(),
                            sum.at(3).get<std::uint64_t>(), sum.at(4).get<std::uint64_t>()});
  }
  return series;
}

nlohmann::json LearningCurve::to_json() const {
  nlohmann::json json = {{"training", training_.to_json()}, {"validation", validation_.to_json()}};
  if (kept_) json["kept"] = *kept_;
  return json;
}

LearningCurve LearningCurve::from_json(const nlohmann::json& json) {
  LearningCurve curve;
  curve.training_ = Series::from_json(json.at("training"));
  curve.validation_ = Series::from_json(json.at("validation"));
  if (json.contains("kept")) curve.kept_ = json.at("kept").get<std::uint64_t>();
  return curve;
}

}  // namespace mt
