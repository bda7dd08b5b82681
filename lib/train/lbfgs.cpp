#include "train/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Tensor tensor_of(std::span<const double> values) { return Tensor::of<double>({values.size()}, values); }

const Tensor& find(const std::map<std::string, Tensor>& state, const std::string& name) {
  const auto found = state.find(name);
  if (found == state.end())
    throw Error("checkpoint", fmt::format("{} is missing", name), "start again without --resume");
  return found->second;
}

std::vector<double> vector_of(const std::map<std::string, Tensor>& state, const std::string& name) {
  const auto values = find(state, name).as<double>();
  return {values.begin(), values.end()};
}

}  // namespace

Lbfgs::Lbfgs(Settings settings, Function function, Preconditioner preconditioner)
    : settings_(settings), function_(std::move(function)), preconditioner_(std::move(preconditioner)) {}

double Lbfgs::evaluate(std::span<const double> x, std::span<double> gradient) {
  ++evaluations_;
  return function_(x, gradient);
}

void Lbfgs::start(std::vector<double> x) {
  x_ = std::move(x);
  gradient_.assign(x_.size(), 0.0);
  pairs_.clear();
  iterations_ = evaluations_ = 0;
  last_step_ = 0;
  value_ = evaluate(x_, gradient_);
}

double Lbfgs::gradient_size() const {
  double largest = 0;
  for (const double value : gradient_) largest = std::max(largest, std::abs(value));
  return largest;
}

// -H * gradient by the two loops (Nocedal and Wright, algorithm 7.4), with H0 a multiple of the preconditioner.
std::vector<double> Lbfgs::direction() const {
  std::vector<double> q = gradient_;
  std::vector<double> alpha(pairs_.size());
  for (std::size_t i = pairs_.size(); i-- > 0;) {
    alpha[i] = dot(pairs_[i].s, q) / pairs_[i].product;
    for (std::size_t j = 0; j < q.size(); ++j) q[j] -= alpha[i] * pairs_[i].y[j];
  }
  const auto precondition = [&](const std::vector<double>& v) {
    if (!preconditioner_) return v;
    std::vector<double> out(v.size());
    preconditioner_(v, out);
    return out;
  };
  std::vector<double> r = precondition(q);
  double scale = 1;
  if (!pairs_.empty()) {
    const Pair& last = pairs_.back();
    scale = last.product / dot(last.y, precondition(last.y));
  } else if (!preconditioner_) {
    scale = 1 / std::max(1.0, std::sqrt(dot(q, q)));
  }
  for (double& value : r) value *= scale;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    const double beta = dot(pairs_[i].y, r) / pairs_[i].product;
    for (std::size_t j = 0; j < r.size(); ++j) r[j] += (alpha[i] - beta) * pairs_[i].s[j];
  }
  for (double& value : r) value = -value;
  return r;
}

Lbfgs::Status Lbfgs::step() {
  if (gradient_size() <= settings_.tolerance) return Status::converged;
  std::vector<double> d = direction();
  double slope = dot(d, gradient_);
  if (!(slope < 0)) {  // rounding spoiled the pairs: begin again from here
    pairs_.clear();
    d = direction();
    slope = dot(d, gradient_);
  }
  // Bisection on the weak Wolfe conditions (Lewis and Overton 2013); close to the optimum, where differences of values
  // are all rounding, slopes decide (Hager and Zhang 2005, "approximate Wolfe").
  constexpr double kArmijo = 1e-4, kCurvature = 0.9, kRounding = 1e-7;
  double low = 0, high = std::numeric_limits<double>::infinity(), length = 1;
  std::vector<double> x(x_.size()), gradient(x_.size());
  for (std::size_t trial = 0; trial < settings_.max_evaluations; ++trial) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = x_[i] + length * d[i];
    const double value = evaluate(x, gradient);
    const double end_slope = dot(d, gradient);
    const bool lower = value <= value_ + kArmijo * length * slope;
    const bool level = value <= value_ + kRounding * std::abs(value_) && end_slope <= (2 * kArmijo - 1) * slope;
    if (!std::isfinite(value) || !(lower || level)) {
      high = length;
    } else if (end_slope < kCurvature * slope) {
      low = length;
    } else {
      Pair pair{x, gradient, 0};
      for (std::size_t i = 0; i < x.size(); ++i) {
        pair.s[i] -= x_[i];
        pair.y[i] -= gradient_[i];
      }
      pair.product = dot(pair.s, pair.y);
      if (pair.product > 1e-12 * dot(pair.y, pair.y)) {
        if (pairs_.size() == settings_.memory) pairs_.erase(pairs_.begin());
        pairs_.push_back(std::move(pair));
      }
      x_.swap(x);
      gradient_.swap(gradient);
      value_ = value;
      last_step_ = length;
      ++iterations_;
      return gradient_size() <= settings_.tolerance ? Status::converged : Status::moved;
    }
    length = std::isinf(high) ? 2 * length : (low + high) / 2;
  }
  return Status::stalled;
}

std::map<std::string, Tensor> Lbfgs::state() const {
  std::map<std::string, Tensor> result;
  result.emplace("x", tensor_of(x_));
  result.emplace("gradient", tensor_of(gradient_));
  const std::vector<double> numbers = {value_, last_step_};
  result.emplace("numbers", tensor_of(numbers));
  result.emplace("counts", Tensor::of<std::int64_t>(
                               {3}, {static_cast<std::int64_t>(iterations_), static_cast<std::int64_t>(evaluations_),
                                     static_cast<std::int64_t>(pairs_.size())}));
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    result.emplace(fmt::format("s.{}", i), tensor_of(pairs_[i].s));
    result.emplace(fmt::format("y.{}", i), tensor_of(pairs_[i].y));
  }
  return result;
}

void Lbfgs::restore(const std::map<std::string, Tensor>& state) {
  x_ = vector_of(state, "x");
  gradient_ = vector_of(state, "gradient");
  const auto numbers = vector_of(state, "numbers");
  const auto counts = find(state, "counts").as<std::int64_t>();
  if (gradient_.size() != x_.size() || numbers.size() != 2 || counts.size() != 3) {
    throw Error("checkpoint", "its optimiser state does not fit together", "start again without --resume");
  }
  value_ = numbers[0];
  last_step_ = numbers[1];
  iterations_ = static_cast<std::size_t>(counts[0]);
  evaluations_ = static_cast<std::size_t>(counts[1]);
  pairs_.clear();
  for (std::size_t i = 0; i < static_cast<std::size_t>(counts[2]); ++i) {
    Pair pair{vector_of(state, fmt::format("s.{}", i)), vector_of(state, fmt::format("y.{}", i)), 0};
    if (pair.s.size() != x_.size() || pair.y.size() != x_.size()) {
      throw Error("checkpoint", "its optimiser state does not fit together", "start again without --resume");
    }
    pair.product = dot(pair.s, pair.y);
    pairs_.push_back(std::move(pair));
  }
}

}  // namespace mt
