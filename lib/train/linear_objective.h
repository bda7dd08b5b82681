// What a linear head minimises over a whole data set: mean cross entropy + l2 / 2 * |weight|^2 (the bias is free). With
// l2 = 1 / (C * samples) this is the objective of scikit-learn's LogisticRegression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "train/head_score.h"
#include "train/losses.h"
#include "train/sample_matrix.h"

namespace mt {

class LinearObjective {
 public:
  // Positions [begin, end) of matrix. Parameters are laid out as weight [C, D], then bias [C].
  LinearObjective(SampleMatrix& matrix, std::size_t begin, std::size_t end, CrossEntropy loss);

  std::size_t parameters() const { return classes_ * (matrix_.width() + 1); }
  std::size_t samples() const { return end_ - begin_; }
  void set_l2(double l2) { l2_ = l2; }

  // One pass over the data. Sums have one order whatever the number of threads, and whether rows are in memory.
  double operator()(std::span<const double> x, std::span<double> gradient);

  // How the parameters do on positions [begin, end).
  HeadScore score(std::span<const double> x, std::size_t begin, std::size_t end);

 private:
  SampleMatrix& matrix_;
  std::size_t begin_, end_, classes_;
  CrossEntropy loss_;
  double l2_ = 0, weight_ = 0;  // weight_: sum of the samples' weights
};

}  // namespace mt
