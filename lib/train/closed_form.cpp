#include "train/closed_form.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "heads/head.h"
#include "train/sample_tiles.h"

namespace mt {

ClassMeans class_means(SampleMatrix& matrix, std::size_t begin, std::size_t end, std::size_t classes,
                       Distance distance) {
  const std::size_t width = matrix.width();
  struct Lane {
    std::vector<double> sums;
    double squares = 0;
  };
  // 16 lanes of [C, D] doubles; more would cost memory, and a pass is bound by reading anyway.
  std::vector<Lane> lanes(16);
  for_each_tile(matrix, begin, end, lanes.size(), [&](const SampleTile& tile) {
    Lane& lane = lanes[tile.lane];
    if (lane.sums.empty()) lane.sums.resize(classes * width);
    std::vector<float> row(width);
    for (std::size_t r = 0; r < tile.count; ++r) {
      std::copy_n(tile.rows + r * width, width, row.begin());
      if (distance == Distance::cosine) normalise_row(row.data(), width);
      double* sum = lane.sums.data() + static_cast<std::size_t>(matrix.label(tile.first + r)) * width;
      for (std::size_t d = 0; d < width; ++d) {
        sum[d] += row[d];
        lane.squares += static_cast<double>(row[d]) * row[d];
      }
    }
  });

  std::vector<double> counts(classes), sums(classes * width);
  for (std::size_t i = begin; i < end; ++i) ++counts[static_cast<std::size_t>(matrix.label(i))];
  double within = 0;  // sum of squares - sum over classes of count * |mean|^2
  for (const Lane& lane : lanes) {
    within += lane.squares;
    for (std::size_t i = 0; i < lane.sums.size(); ++i) sums[i] += lane.sums[i];
  }
  ClassMeans result{.means = Tensor(DType::f32, {classes, width}), .variance = 0};
  const auto means = result.means.as<float>();
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double mean = sums[i] / counts[i / width];
    means[i] = static_cast<float>(mean);
    within -= counts[i / width] * mean * mean;
  }
  result.variance = std::max(0.0, within) / (static_cast<double>(end - begin) * static_cast<double>(width));
  return result;
}

double calibrated_scale(const NearestMeanHead& head, SampleMatrix& matrix, std::size_t begin, std::size_t end) {
  const std::size_t classes = head.class_names().size();
  // d loss / d scale = mean over samples of (expected logit under the softmax - logit of the label): the loss is convex
  // in the scale, so bisection on the sign finds its least value.
  const auto slope = [&](double scale) {
    std::vector<double> lanes(64);
    for_each_tile(matrix, begin, end, lanes.size(), [&](const SampleTile& tile) {
      std::vector<float> logits(tile.count * classes);
      head.logits_of_rows(tile.rows, tile.count, logits.data());
      for (std::size_t r = 0; r < tile.count; ++r) {
        const std::span<const float> row(logits.data() + r * classes, classes);
        const double largest = *std::max_element(row.begin(), row.end());
        double sum = 0, expected = 0;
        for (const float logit : row) {
          const double weight = std::exp(scale * (logit - largest));
          sum += weight;
          expected += weight * logit;
        }
        lanes[tile.lane] += expected / sum - row[static_cast<std::size_t>(matrix.label(tile.first + r))];
      }
    });
    double total = 0;
    for (const double lane : lanes) total += lane;
    return total;
  };
  double low = 1e-6, high = 1e6;
  constexpr int kHalvings = 40;  // of a range of twelve decades: to 11 digits
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = std::sqrt(low * high);
    (slope(middle) > 0 ? high : low) = middle;
  }
  return std::sqrt(low * high);
}

KeptSamples keep_samples(SampleMatrix& matrix, std::size_t begin, std::size_t end, bool half) {
  const std::size_t width = matrix.width();
  KeptSamples kept{.rows = Tensor(half ? DType::f16 : DType::f32, {end - begin, width}),
                   .labels = Tensor(DType::i32, {end - begin})};
  std::optional<std::size_t> beyond;  // a value of the copy that float16 cannot hold
  matrix.visit(begin, end, [&](std::size_t first, const float* rows, std::size_t count) {
    const std::size_t offset = (first - begin) * width;
    if (!half) {
      std::copy_n(rows, count * width, kept.rows.as<float>().begin() + static_cast<std::ptrdiff_t>(offset));
      return;
    }
    const auto to = kept.rows.as<Half>().subspan(offset, count * width);
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = to_half(rows[i]);
      if (!beyond && !std::isfinite(to_float(to[i]))) beyond = offset + i;
    }
  });
  if (beyond) {
    throw Error(matrix.describe(begin + *beyond / width), fmt::format("feature {} is beyond float16", *beyond % width),
                "leave --half out");
  }
  const auto labels = kept.labels.as<std::int32_t>();
  for (std::size_t i = begin; i < end; ++i) labels[i - begin] = matrix.label(i);
  return kept;
}

}  // namespace mt
