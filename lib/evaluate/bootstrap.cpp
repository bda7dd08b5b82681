#include "evaluate/bootstrap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "base/interrupt.h"
#include "base/random.h"

namespace mt {

namespace {

// Areas and average precisions of weighted samples. The order of the scores is found once; a resample only walks it.
class WeightedRanking {
 public:
  WeightedRanking(std::span<const Outcome> outcomes, const RankingScores& ranking) : outcomes_(outcomes) {
    const std::size_t n = outcomes.size();
    // Of two classes the second is the positive one.
    for (std::size_t c = ranking.classes == 2 ? 1 : 0; c < ranking.classes; ++c) {
      const auto score = [&](std::uint32_t i) { return ranking.scores[i * ranking.classes + c]; };
      Order order{static_cast<std::int32_t>(c), std::vector<std::uint32_t>(n)};
      std::iota(order.samples.begin(), order.samples.end(), std::uint32_t{0});
      std::sort(order.samples.begin(), order.samples.end(),
                [&](std::uint32_t a, std::uint32_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
      // The top bit marks the last sample of equal scores.
      for (std::size_t i = 0; i < n; ++i) {
        if (i + 1 == n || score(order.samples[i]) != score(order.samples[i + 1] & ~kLast)) order.samples[i] |= kLast;
      }
      orders_.push_back(std::move(order));
    }
  }

  // Means over the classes where they are defined (NaN when there is none): area, average precision.
  std::array<double, 2> values(std::span<const std::uint32_t> weights) const {
    std::array<double, 2> sums{};
    std::array<std::size_t, 2> defined{};
    for (const Order& order : orders_) {
      const std::array<double, 2> one = values(order, weights);
      for (std::size_t k = 0; k < 2; ++k) {
        if (std::isnan(one[k])) continue;
        sums[k] += one[k];
        ++defined[k];
      }
    }
    for (std::size_t k = 0; k < 2; ++k) {
      sums[k] = defined[k] == 0 ? std::numeric_limits<double>::quiet_NaN() : sums[k] / static_cast<double>(defined[k]);
    }
    return sums;
  }

  static constexpr std::uint32_t kLast = std::uint32_t{1} << 31;

 private:
  struct Order {
    std::int32_t positive;
    std::vector<std::uint32_t> samples;  // descending score
  };

  std::array<double, 2> values(const Order& order, std::span<const std::uint32_t> weights) const {
    std::int64_t found = 0, wrong = 0, group_found = 0, group_wrong = 0;
    double area = 0, precision = 0;
    for (const std::uint32_t entry : order.samples) {
      const std::uint32_t i = entry & ~kLast;
      (outcomes_[i].label == order.positive ? group_found : group_wrong) += weights[i];
      if ((entry & kLast) == 0) continue;
      area += static_cast<double>(group_wrong) * (static_cast<double>(found) + 0.5 * static_cast<double>(group_found));
      found += group_found;
      wrong += group_wrong;
      if (group_found > 0) {
        precision += static_cast<double>(group_found) * static_cast<double>(found) / static_cast<double>(found + wrong);
      }
      group_found = group_wrong = 0;
    }
    constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
    return {found == 0 || wrong == 0 ? kUndefined : area / (static_cast<double>(found) * static_cast<double>(wrong)),
            found == 0 ? kUndefined : precision / static_cast<double>(found)};
  }

  std::span<const Outcome> outcomes_;
  std::vector<Order> orders_;
};

Interval percentile_interval(std::vector<double> values, double confidence) {
  std::erase_if(values, [](double v) { return std::isnan(v); });
  if (values.empty()) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  std::sort(values.begin(), values.end());
  const double tail = (1 - confidence) / 2;
  return {quantile(values, tail), quantile(values, 1 - tail)};
}

}  // namespace

void draw_weights(std::uint64_t seed, std::uint64_t resample, std::span<std::uint32_t> weights) {
  if (weights.size() >= WeightedRanking::kLast) throw std::logic_error("draw_weights: too many samples");
  std::fill(weights.begin(), weights.end(), 0);
  const auto n = static_cast<std::uint32_t>(weights.size());
  if (n == 0) return;
  const std::uint64_t stream = stream_of("bootstrap", resample);
  const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  const std::uint32_t rejected = (0U - n) % n;  // Lemire, "Fast random integer generation in an interval", 2019
  std::uint64_t block = 0;
  for (std::uint32_t drawn = 0; drawn < n; ++block) {
    const auto numbers = philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                                 static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
                                key);
    for (const std::uint32_t number : numbers) {
      const std::uint64_t product = std::uint64_t{number} * n;
      if (static_cast<std::uint32_t>(product) < rejected) continue;
      ++weights[product >> 32];
      if (++drawn == n) break;
    }
  }
}

std::vector<Interval> bootstrap(std::span<const Outcome> outcomes, std::size_t classes, std::size_t top_k,
                                const std::optional<RankingScores>& ranking, const BootstrapOptions& options,
                                ThreadPool& pool) {
  if (options.resamples == 0 || outcomes.empty()) return {};
  std::optional<WeightedRanking> orders;
  if (ranking) orders.emplace(outcomes, *ranking);

  struct Worker {
    Tally tally;
    std::vector<std::uint32_t> weights;
  };
  std::vector<Worker> workers(pool.size(), {Tally(classes, top_k), {}});
  std::vector<MetricValues> resamples(options.resamples);
  pool.parallel_for(options.resamples, [&](std::size_t resample, std::size_t worker) {
    throw_if_interrupted();
    auto& [tally, weights] = workers[worker];
    weights.resize(outcomes.size());
    draw_weights(options.seed, resample, weights);
    tally.clear();
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (weights[i] > 0) tally.add(outcomes[i], weights[i]);
    }
    MetricValues values = tally.values();
    if (orders) {
      const std::array<double, 2> ranked = orders->values(weights);
      std::copy(ranked.begin(), ranked.end(), values.begin() + kTallyMetrics);
    }
    resamples[resample] = values;
  });

  std::vector<Interval> intervals(ranking ? kMetrics : kTallyMetrics);
  std::vector<double> column(options.resamples);
  for (std::size_t m = 0; m < intervals.size(); ++m) {
    for (std::size_t r = 0; r < column.size(); ++r) column[r] = resamples[r][m];
    intervals[m] = percentile_interval(column, options.confidence);
  }
  return intervals;
}

double quantile(std::span<const double> sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), sorted.size() - 1);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace mt
