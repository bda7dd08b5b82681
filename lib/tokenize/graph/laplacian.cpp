#include "tokenize/graph/laplacian.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/random.h"

namespace mt {

namespace {

using Sparse = Eigen::SparseMatrix<double>;
// A node's vectors lie together, so that one pass over the edges serves all of them.
using Block = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int kSpare = 8;  // vectors beyond those asked for
constexpr int kMostSteps = 200, kFilterDegree = 40;
constexpr std::int64_t kMostFactor = 40'000'000;  // entries: 480 MB
constexpr double kShift = 1e-8;                   // keeps the factor of a singular matrix positive
constexpr double kTolerance = 1e-6;               // of residuals: the numbers become float32 of order 0.1

// Whether the Cholesky factor under a minimum-degree ordering stays within limit entries: each row's entries are the
// ancestors of its neighbours in the elimination tree (Liu, 1990).
bool factor_fits(const Sparse& matrix, std::int64_t limit) {
  Eigen::PermutationMatrix<Eigen::Dynamic, Eigen::Dynamic, int> order;
  Eigen::AMDOrdering<int>()(matrix.selfadjointView<Eigen::Lower>(), order);
  Sparse permuted;
  permuted = matrix.twistedBy(order.inverse());
  const int n = static_cast<int>(matrix.rows());
  std::vector<int> parent(static_cast<std::size_t>(n), -1), mark(static_cast<std::size_t>(n), -1);
  std::int64_t entries = n;
  for (int column = 0; column < n; ++column) {
    mark[static_cast<std::size_t>(column)] = column;
    for (Sparse::InnerIterator entry(permuted, column); entry; ++entry) {
      for (auto i = static_cast<std::size_t>(entry.row()); static_cast<int>(i) < column && mark[i] != column;
           i = static_cast<std::size_t>(parent[i])) {
        if (parent[i] == -1) parent[i] = column;
        mark[i] = column;
        if (++entries > limit) return false;
      }
    }
  }
  return true;
}

// The orthonormal basis nearest to x's columns (Loewdin, 1950), without the mode of eigenvalue 0. Twice, since the
// first pass leaves what rounding does to columns that are nearly dependent.
Block orthonormal(Block x, const Eigen::VectorXd& null) {
  for (int pass = 0; pass < 2; ++pass) {
    x -= (null * (null.transpose() * x)).eval();
    for (Eigen::Index j = 0; j < x.cols(); ++j) x.col(j) /= std::max(x.col(j).norm(), 1e-300);
    const Eigen::MatrixXd gram = x.transpose() * x;
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram);
    const Eigen::VectorXd scale = solver.eigenvalues().cwiseMax(1e-28).cwiseSqrt().cwiseInverse();
    x = (x * (solver.eigenvectors() * scale.asDiagonal() * solver.eigenvectors().transpose())).eval();
  }
  return x;
}

// A block's Ritz values, ascending in the Laplacian's, its vectors, and how far the wanted ones are from being modes.
struct Step {
  Eigen::VectorXd values;
  Block vectors;
  double residual = 0;
};

Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> symmetric_solver(const Eigen::MatrixXd& matrix) {
  return Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>((matrix + matrix.transpose()) / 2);
}

// The filter's polynomial is small on [cut, 2] and grows towards 0: T_m of the interval mapped to [-1, 1].
Block chebyshev(const Sparse& laplacian, const Block& x, double cut) {
  const double centre = (2 + cut) / 2, half = (2 - cut) / 2;
  Block before = x, now = (laplacian * x - centre * x) / half;
  for (int degree = 2; degree <= kFilterDegree; ++degree) {
    Block next = (laplacian * now - centre * now) * (2 / half) - before;
    before.swap(now);
    now.swap(next);
  }
  return now;
}

// One step of inverse iteration with Rayleigh-Ritz on the inverse, whose largest eigenvalues stand apart even where the
// Laplacian's are 1e-9. The residual is relative to them.
Step inverse_step(const Eigen::SimplicialLDLT<Sparse>& factor, const Block& x, Eigen::Index wanted,
                  const Eigen::VectorXd& null) {
  const Block solved = factor.solve(Eigen::MatrixXd(x));
  const auto solver = symmetric_solver(x.transpose() * solved);
  const Eigen::MatrixXd turn = solver.eigenvectors().rowwise().reverse();  // largest first
  const Eigen::VectorXd inverse = solver.eigenvalues().reverse();
  Step step;
  const Block image = solved * turn, before = x * turn;
  step.values = (inverse.cwiseInverse().array() - kShift).matrix();
  for (Eigen::Index j = 0; j < wanted; ++j) {
    step.residual = std::max(step.residual, (image.col(j) / inverse[j] - before.col(j)).norm());
  }
  step.vectors = orthonormal(image, null);
  return step;
}

// One step of the filter with Rayleigh-Ritz on the Laplacian.
Step filter_step(const Sparse& laplacian, const Block& x, double cut, Eigen::Index wanted,
                 const Eigen::VectorXd& null) {
  const Block basis = orthonormal(chebyshev(laplacian, x, cut), null);
  const Block image = laplacian * basis;
  const auto solver = symmetric_solver(basis.transpose() * image);
  Step step;
  step.values = solver.eigenvalues();
  step.vectors = basis * solver.eigenvectors();
  const Block turned = image * solver.eigenvectors();
  for (Eigen::Index j = 0; j < wanted; ++j) {
    step.residual = std::max(step.residual, (turned.col(j) - step.values[j] * step.vectors.col(j)).norm());
  }
  return step;
}

Block random_block(Eigen::Index rows, Eigen::Index columns) {
  Block block(rows, columns);
  Random random(1, stream_of("laplacian modes"));
  for (Eigen::Index i = 0; i < rows; ++i) {
    for (Eigen::Index j = 0; j < columns; ++j) block(i, j) = random.normal();
  }
  return block;
}

}  // namespace

Modes smallest_modes(const Sparse& laplacian, const Eigen::VectorXd& null, int k, std::string_view where) {
  const Eigen::Index n = laplacian.rows(), wanted = k - 1, width = std::min<Eigen::Index>(wanted + kSpare, n - 1);
  std::optional<Eigen::SimplicialLDLT<Sparse>> factor;
  if (factor_fits(laplacian, kMostFactor)) {
    Sparse shifted = laplacian;
    for (int i = 0; i < static_cast<int>(n); ++i) shifted.coeffRef(i, i) += kShift;
    factor.emplace(shifted);
    if (factor->info() != Eigen::Success) factor.reset();
  }
  Step step;
  step.vectors = orthonormal(random_block(n, width), null);
  for (int count = 0; count < kMostSteps; ++count) {
    throw_if_interrupted();
    const double cut = count == 0 ? 1.0 : std::min(step.values[width - 1], 1.99);
    step = factor ? inverse_step(*factor, step.vectors, wanted, null)
                  : filter_step(laplacian, step.vectors, cut, wanted, null);
    if (!(step.residual <= kTolerance)) continue;
    Modes modes{Eigen::VectorXd::Zero(k), Eigen::MatrixXd(n, k)};
    modes.vectors.col(0) = null;
    modes.values.tail(wanted) = step.values.head(wanted).cwiseMax(0);
    modes.vectors.rightCols(wanted) = step.vectors.leftCols(wanted);
    return modes;
  }
  throw Error(where, fmt::format("the Laplacian's modes did not converge in {} steps", kMostSteps),
              "--identifiers orthogonal needs none");
}

}  // namespace mt
