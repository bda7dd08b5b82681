// Limited-memory BFGS for smooth convex functions (Nocedal 1980; Nocedal and Wright, "Numerical Optimization", 7.2),
// one iteration at a time, so that a run can be watched, saved and resumed. Vectors are double precision; the function
// may be the sum over a data set that is streamed from disk.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace mt {

class Lbfgs {
 public:
  // Value at x; overwrites gradient. Both [n].
  using Function = std::function<double(std::span<const double> x, std::span<double> gradient)>;
  // Overwrites out with an approximate inverse Hessian (fixed, symmetric, positive) times v. Both [n].
  using Preconditioner = std::function<void(std::span<const double> v, std::span<double> out)>;

  struct Settings {
    std::size_t memory = 10;           // pairs kept
    double tolerance = 1e-5;           // on the largest element of the gradient
    std::size_t max_evaluations = 40;  // of one line search
  };
  enum class Status { moved, converged, stalled };  // stalled: no step brings the value down within rounding

  Lbfgs(Settings settings, Function function, Preconditioner preconditioner = {});

  // Begins at x: one evaluation.
  void start(std::vector<double> x);
  // One iteration: a direction and a line search under the weak Wolfe conditions.
  Status step();

  const std::vector<double>& x() const { return x_; }
  double value() const { return value_; }
  double gradient_size() const;  // largest element
  double last_step() const { return last_step_; }
  std::size_t iterations() const { return iterations_; }
  std::size_t evaluations() const { return evaluations_; }

  // Everything that the next iteration depends on.
  std::map<std::string, Tensor> state() const;
  void restore(const std::map<std::string, Tensor>& state);

 private:
  struct Pair {
    std::vector<double> s, y;
    double product;  // s^T y
  };
  std::vector<double> direction() const;
  double evaluate(std::span<const double> x, std::span<double> gradient);

  Settings settings_;
  Function function_;
  Preconditioner preconditioner_;
  std::vector<double> x_, gradient_;
  std::vector<Pair> pairs_;  // oldest first
  double value_ = 0, last_step_ = 0;
  std::size_t iterations_ = 0, evaluations_ = 0;
};

}  // namespace mt
