// What makes softmax regression easy for L-BFGS: the inverse of an upper bound on its curvature.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "train/sample_matrix.h"

namespace mt {

// The inverse of half the features' second moments plus l2 (Boehning 1992: half the second moments bound the curvature
// of softmax regression in every class), which takes the features' correlations out of the problem: L-BFGS then needs
// tens of passes where it needed hundreds.
class LinearPreconditioner {
 public:
  // Above this width only the features' mean squares are used, without their correlations.
  static constexpr std::size_t kWidest = 2048;

  // Second moments of some thousand rows spread over [begin, end) of a standardised or centred matrix.
  LinearPreconditioner(SampleMatrix& matrix, std::size_t begin, std::size_t end, std::size_t classes);

  void set_l2(double l2);
  // out = approximate inverse Hessian * v, both laid out as LinearObjective's parameters.
  void operator()(std::span<const double> v, std::span<double> out) const;

 private:
  void measure(SampleMatrix& matrix, std::size_t begin, std::size_t end);

  ThreadPool& pool_;
  std::size_t width_, classes_;
  bool wide_;
  std::vector<double> moments_;  // [D, D], lower triangle; or [D] when wide
  std::vector<float> inverse_;   // [D, D]: the inverse Cholesky factor M, inverse = M^T * M; or [D] when wide
  double floor_ = 0, built_for_ = -1;
};

}  // namespace mt
