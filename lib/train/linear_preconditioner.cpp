#include "train/linear_preconditioner.h"

#include <algorithm>
#include <cmath>

#include "kernels/gemm.h"

namespace mt {

namespace {

constexpr std::size_t kTile = SampleMatrix::kTile;
constexpr std::size_t kRows = 16384;  // enough to know the moments of kWidest features
constexpr std::size_t kBlock = 128;   // of the [D, D] matrices: one worker each
// Directions weaker than this share of the mean square count as if they had it: some thousand rows do not tell them
// apart.
constexpr double kFloor = 1e-4;

// In place: the lower triangle of a symmetric positive matrix [n, n] becomes its Cholesky factor L. The upper triangle
// is scratch.
void factorise(std::vector<double>& a, std::size_t n, ThreadPool& pool) {
  for (std::size_t k = 0; k < n; ++k) {
    const double pivot = std::sqrt(a[k * n + k]);
    a[k * n + k] = pivot;
    // Column k, kept contiguous in row k as well.
    for (std::size_t i = k + 1; i < n; ++i) a[k * n + i] = a[i * n + k] /= pivot;
    const std::size_t left = n - k - 1;
    const auto update = [&](std::size_t block, std::size_t) {
      const std::size_t begin = k + 1 + block * kBlock;
      for (std::size_t i = begin; i < std::min(n, begin + kBlock); ++i) {
        const double factor = a[i * n + k];
        for (std::size_t j = k + 1; j <= i; ++j) a[i * n + j] -= factor * a[k * n + j];
      }
    };
    const std::size_t blocks = (left + kBlock - 1) / kBlock;
    if (blocks > 2)
      pool.parallel_for(blocks, update);
    else {
      for (std::size_t block = 0; block < blocks; ++block) update(block, 0);
    }
  }
}

// The inverse of the lower triangle of l, [n, n] with zeros above the diagonal.
std::vector<float> inverse_of_factor(const std::vector<double>& l, std::size_t n, ThreadPool& pool) {
  std::vector<float> result(n * n);
  pool.parallel_for((n + kBlock - 1) / kBlock, [&](std::size_t block, std::size_t) {
    const std::size_t first = block * kBlock, columns = std::min(kBlock, n - first);
    std::vector<double> m(n * columns);  // columns [first, first + columns) of the inverse
    for (std::size_t i = first; i < n; ++i) {
      double* row = m.data() + i * columns;
      if (i < first + columns) row[i - first] = 1;
      for (std::size_t j = first; j < i; ++j) {
        const double factor = l[i * n + j];
        const double* above = m.data() + j * columns;
        for (std::size_t c = 0; c < columns; ++c) row[c] -= factor * above[c];
      }
      for (std::size_t c = 0; c < columns; ++c) {
        row[c] /= l[i * n + i];
        result[i * n + first + c] = static_cast<float>(row[c]);
      }
    }
  });
  return result;
}

}  // namespace

LinearPreconditioner::LinearPreconditioner(SampleMatrix& matrix, std::size_t begin, std::size_t end,
                                           std::size_t classes)
    : pool_(matrix.pool()), width_(matrix.width()), classes_(classes), wide_(width_ > kWidest) {
  moments_.resize(wide_ ? width_ : width_ * width_);
  measure(matrix, begin, end);
  double sum = 0;
  for (std::size_t d = 0; d < width_; ++d) sum += wide_ ? moments_[d] : moments_[d * width_ + d];
  floor_ = std::max(kFloor * sum / static_cast<double>(width_), 1e-30);
}

void LinearPreconditioner::measure(SampleMatrix& matrix, std::size_t begin, std::size_t end) {
  const std::size_t tiles = (end - begin + kTile - 1) / kTile, stride = std::max<std::size_t>(1, tiles * kTile / kRows);
  std::vector<std::size_t> positions(kTile);
  std::vector<float> rows(kTile * width_);
  const std::size_t blocks = (width_ + kBlock - 1) / kBlock;
  std::size_t count = 0;
  for (std::size_t tile = 0; tile < tiles; tile += stride) {
    const std::size_t first = begin + tile * kTile;
    positions.resize(std::min(kTile, end - first));
    for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = first + i;
    matrix.gather(positions, rows.data());
    count += positions.size();
    if (wide_) {
      for (std::size_t r = 0; r < positions.size(); ++r) {
        for (std::size_t d = 0; d < width_; ++d)
          moments_[d] += static_cast<double>(rows[r * width_ + d]) * rows[r * width_ + d];
      }
      continue;
    }
    pool_.parallel_for(blocks * blocks, [&](std::size_t item, std::size_t) {
      const std::size_t row = item / blocks * kBlock, column = item % blocks * kBlock;
      if (column > row) return;
      const std::size_t height = std::min(kBlock, width_ - row), across = std::min(kBlock, width_ - column);
      std::vector<float> product(kBlock * kBlock);
      gemm(height, across, positions.size(), {rows.data() + row, width_, OperandForm::transposed},
           {rows.data() + column, width_}, product.data(), kBlock);
      for (std::size_t i = 0; i < height; ++i) {
        for (std::size_t j = 0; j < across; ++j) moments_[(row + i) * width_ + column + j] += product[i * kBlock + j];
      }
    });
  }
  for (double& value : moments_) value /= static_cast<double>(count);
}

void LinearPreconditioner::set_l2(double l2) {
  const double ridge = std::max(l2, floor_);
  if (ridge == built_for_) return;
  built_for_ = ridge;
  if (wide_) {
    inverse_.resize(width_);
    for (std::size_t d = 0; d < width_; ++d) inverse_[d] = static_cast<float>(1 / (0.5 * moments_[d] + ridge));
    return;
  }
  std::vector<double> bound(moments_);
  for (double& value : bound) value *= 0.5;
  for (std::size_t d = 0; d < width_; ++d) bound[d * width_ + d] += ridge;
  factorise(bound, width_, pool_);
  inverse_ = inverse_of_factor(bound, width_, pool_);
}

void LinearPreconditioner::operator()(std::span<const double> v, std::span<double> out) const {
  const std::size_t weights = classes_ * width_;
  constexpr double kBiasCurvature = 0.5;  // the second moment of the constant feature is 1
  for (std::size_t i = weights; i < v.size(); ++i) out[i] = v[i] / kBiasCurvature;
  if (wide_) {
    for (std::size_t i = 0; i < weights; ++i) out[i] = v[i] * inverse_[i % width_];
    return;
  }
  // v * M^T * M, scaled so that small gradients keep all their float32 digits.
  double largest = 0;
  for (std::size_t i = 0; i < weights; ++i) largest = std::max(largest, std::abs(v[i]));
  const double scale = largest > 0 ? largest : 1;
  std::vector<float> x(weights), between(weights);
  for (std::size_t i = 0; i < weights; ++i) x[i] = static_cast<float>(v[i] / scale);
  constexpr std::size_t kRowsAtOnce = 64;
  const std::size_t blocks = (width_ + kBlock - 1) / kBlock, tiles = (classes_ + kRowsAtOnce - 1) / kRowsAtOnce;
  const auto multiply = [&](const std::vector<float>& from, std::vector<float>& to, OperandForm form) {
    pool_.parallel_for(tiles * blocks, [&](std::size_t item, std::size_t) {
      const std::size_t row = item / blocks * kRowsAtOnce, column = item % blocks * kBlock;
      const float* m = inverse_.data() + (form == OperandForm::transposed ? column * width_ : column);
      gemm(std::min(kRowsAtOnce, classes_ - row), std::min(kBlock, width_ - column), width_,
           {from.data() + row * width_, width_}, {m, width_, form}, to.data() + row * width_ + column, width_);
    });
  };
  multiply(x, between, OperandForm::transposed);
  multiply(between, x, OperandForm::plain);
  for (std::size_t i = 0; i < weights; ++i) out[i] = x[i] * scale;
}

}  // namespace mt
