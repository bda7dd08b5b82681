#include "evaluate/one_vs_rest.h"

#include <algorithm>
#include <stdexcept>
#include <tuple>

namespace mt {

OneVsRest::OneVsRest(std::span<const Outcome> outcomes, std::size_t classes)
    : samples_(outcomes.size()), begin_(classes + 1), positives_(classes), above_(classes) {
  struct Own {
    std::int32_t label;
    float score;
  };
  std::vector<Own> own;
  own.reserve(outcomes.size());
  for (const Outcome& outcome : outcomes) own.push_back({outcome.label, outcome.score});
  std::sort(own.begin(), own.end(),
            [](const Own& a, const Own& b) { return std::tie(a.label, a.score) < std::tie(b.label, b.score); });
  std::size_t next = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    begin_[c] = thresholds_.size();
    for (; next < own.size() && static_cast<std::size_t>(own[next].label) == c; ++next) {
      if (thresholds_.size() == begin_[c] || thresholds_.back().score != own[next].score) {
        thresholds_.push_back({own[next].score, 0, 0, 0});
      }
      ++thresholds_.back().own;
      ++positives_[c];
    }
  }
  begin_[classes] = thresholds_.size();
}

void OneVsRest::add(std::int32_t label, std::span<const float> scores) {
  if (scores.size() != positives_.size()) throw std::logic_error("OneVsRest: another number of classes");
  for (std::size_t c = 0; c < scores.size(); ++c) {
    if (c == static_cast<std::size_t>(label) || begin_[c] == begin_[c + 1]) continue;
    const auto first = thresholds_.begin() + static_cast<std::ptrdiff_t>(begin_[c]);
    const auto last = thresholds_.begin() + static_cast<std::ptrdiff_t>(begin_[c + 1]);
    const auto place = std::partition_point(first, last, [&](const Threshold& t) { return t.score < scores[c]; });
    if (place == last) {
      ++above_[c];
    } else if (place->score == scores[c]) {
      ++place->equal;
    } else {
      ++place->below;
    }
  }
}

std::optional<double> OneVsRest::area(std::size_t c) const {
  if (positives_[c] == 0 || negatives(c) == 0) return std::nullopt;
  double sum = 0;  // over the class's samples: others below + half of the equal ones
  std::int64_t lower = 0;
  for (std::size_t i = begin_[c]; i < begin_[c + 1]; ++i) {
    const Threshold& t = thresholds_[i];
    lower += t.below;
    sum += static_cast<double>(t.own) * (static_cast<double>(lower) + 0.5 * static_cast<double>(t.equal));
    lower += t.equal;
  }
  return sum / (static_cast<double>(positives_[c]) * static_cast<double>(negatives(c)));
}

std::optional<double> OneVsRest::average_precision(std::size_t c) const {
  if (positives_[c] == 0) return std::nullopt;
  double sum = 0;
  std::int64_t found = 0, wrong = above_[c];
  for (std::size_t i = begin_[c + 1]; i-- > begin_[c];) {
    const Threshold& t = thresholds_[i];
    found += t.own;
    wrong += t.equal;
    sum += static_cast<double>(t.own) * static_cast<double>(found) / static_cast<double>(found + wrong);
    wrong += t.below;
  }
  return sum / static_cast<double>(positives_[c]);
}

std::vector<RocPoint> OneVsRest::curve(std::size_t c) const {
  if (positives_[c] == 0 || negatives(c) == 0) return {};
  const auto p = static_cast<double>(positives_[c]), n = static_cast<double>(negatives(c));
  std::int64_t found = 0, wrong = above_[c];
  std::vector<RocPoint> points = {{0, 0}};
  const auto corner = [&] {
    const RocPoint point{static_cast<double>(wrong) / n, static_cast<double>(found) / p};
    if (point != points.back()) points.push_back(point);
  };
  for (std::size_t i = begin_[c + 1]; i-- > begin_[c];) {
    const Threshold& t = thresholds_[i];
    corner();
    found += t.own;
    wrong += t.equal;
    corner();
    wrong += t.below;
  }
  corner();
  return points;
}

}  // namespace mt
