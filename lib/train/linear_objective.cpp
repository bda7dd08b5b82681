#include "train/linear_objective.h"

#include <algorithm>
#include <utility>

#include "kernels/gemm.h"
#include "train/sample_tiles.h"

namespace mt {

namespace {

// Independent partial sums, added up in order at the end: as many as can be worked on at once, within 256 MiB.
std::size_t lane_count(std::size_t parameters) {
  return std::clamp<std::size_t>((std::size_t{256} << 20) / (parameters * sizeof(double)), 2, 64);
}

// logits [count, C] = rows [count, width] * weight^T + bias
void affine(const float* rows, std::size_t count, std::size_t width, const std::vector<float>& weight,
            const std::vector<float>& bias, float* logits) {
  const std::size_t classes = bias.size();
  for (std::size_t r = 0; r < count; ++r) std::copy(bias.begin(), bias.end(), logits + r * classes);
  gemm(count, classes, width, {rows, width}, {weight.data(), width, OperandForm::transposed}, logits, classes, true);
}

struct LaneSum {
  std::vector<double> gradient;
  double loss = 0;
};

}  // namespace

LinearObjective::LinearObjective(SampleMatrix& matrix, std::size_t begin, std::size_t end, CrossEntropy loss)
    : matrix_(matrix), begin_(begin), end_(end), classes_(loss.classes()), loss_(std::move(loss)) {
  for (std::size_t i = begin; i < end; ++i) weight_ += loss_.weight_of(matrix.label(i));
}

double LinearObjective::operator()(std::span<const double> x, std::span<double> gradient) {
  const std::size_t width = matrix_.width(), weights = classes_ * width;
  const auto split = x.begin() + static_cast<std::ptrdiff_t>(weights);
  const std::vector<float> weight(x.begin(), split), bias(split, x.end());
  std::vector<LaneSum> lanes(lane_count(parameters()));
  std::vector<std::vector<float>> logits(matrix_.pool().size(), std::vector<float>(SampleMatrix::kTile * classes_));
  std::vector<std::vector<float>> products(matrix_.pool().size(), std::vector<float>(weights));
  for_each_tile(matrix_, begin_, end_, lanes.size(), [&](const SampleTile& tile) {
    LaneSum& sum = lanes[tile.lane];
    if (sum.gradient.empty()) sum.gradient.resize(parameters());
    float* slopes = logits[tile.worker].data();
    affine(tile.rows, tile.count, width, weight, bias, slopes);
    for (std::size_t r = 0; r < tile.count; ++r) {
      const std::span<float> row(slopes + r * classes_, classes_);
      sum.loss += loss_.forward_backward(row, matrix_.label(tile.first + r), row);
      for (std::size_t c = 0; c < classes_; ++c) sum.gradient[weights + c] += row[c];
    }
    float* product = products[tile.worker].data();
    gemm(classes_, width, tile.count, {slopes, classes_, OperandForm::transposed}, {tile.rows, width}, product, width);
    for (std::size_t i = 0; i < weights; ++i) sum.gradient[i] += product[i];
  });
  double loss = 0;
  std::fill(gradient.begin(), gradient.end(), 0.0);
  for (const LaneSum& lane : lanes) {
    loss += lane.loss;
    for (std::size_t i = 0; i < lane.gradient.size(); ++i) gradient[i] += lane.gradient[i];
  }
  double square = 0;
  for (double& value : gradient) value /= weight_;
  for (std::size_t i = 0; i < weights; ++i) {
    square += x[i] * x[i];
    gradient[i] += l2_ * x[i];
  }
  return loss / weight_ + l2_ / 2 * square;
}

HeadScore LinearObjective::score(std::span<const double> x, std::size_t begin, std::size_t end) {
  const std::size_t width = matrix_.width();
  const auto split = x.begin() + static_cast<std::ptrdiff_t>(classes_ * width);
  const std::vector<float> weight(x.begin(), split), bias(split, x.end());
  return score_positions(
      matrix_, begin, end, classes_, loss_,
      [&](const float* rows, std::size_t count, float* logits) { affine(rows, count, width, weight, bias, logits); });
}

}  // namespace mt
