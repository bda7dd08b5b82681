#include "train/lbfgs.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "base/error.h"

namespace mt {
namespace {

// 1/2 x^T A x - b^T x with A diagonal from 1 to 1e4: the optimum is b / A.
struct Quadratic {
  std::vector<double> a, b;
  explicit Quadratic(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      a.push_back(std::pow(10.0, 4.0 * static_cast<double>(i) / static_cast<double>(n - 1)));
      b.push_back(std::sin(static_cast<double>(i)) * 3);
    }
  }
  double operator()(std::span<const double> x, std::span<double> gradient) const {
    double value = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      gradient[i] = a[i] * x[i] - b[i];
      value += 0.5 * a[i] * x[i] * x[i] - b[i] * x[i];
    }
    return value;
  }
};

std::size_t solve(Lbfgs& solver, std::size_t most = 1000) {
  while (solver.iterations() < most && solver.step() == Lbfgs::Status::moved) {
  }
  return solver.iterations();
}

TEST_CASE("lbfgs: finds the optimum of an ill-conditioned quadratic") {
  const Quadratic quadratic(50);
  Lbfgs solver({.memory = 10, .tolerance = 1e-8}, quadratic);
  solver.start(std::vector<double>(50, 0.0));
  solve(solver);
  CHECK(solver.gradient_size() <= 1e-8);
  for (std::size_t i = 0; i < 50; ++i)
    CHECK(solver.x()[i] == doctest::Approx(quadratic.b[i] / quadratic.a[i]).epsilon(1e-6));
}

TEST_CASE("lbfgs: the exact inverse Hessian as preconditioner arrives in one step") {
  const Quadratic quadratic(50);
  Lbfgs solver({.memory = 10, .tolerance = 1e-8}, quadratic, [&](std::span<const double> v, std::span<double> out) {
    for (std::size_t i = 0; i < v.size(); ++i) out[i] = v[i] / quadratic.a[i];
  });
  solver.start(std::vector<double>(50, 0.0));
  CHECK(solve(solver) == 1);
}

TEST_CASE("lbfgs: goes down a curved valley") {
  // Rosenbrock's function is not convex, but smooth; the optimum is (1, 1).
  const auto rosenbrock = [](std::span<const double> x, std::span<double> gradient) {
    const double bend = x[1] - x[0] * x[0];
    gradient[0] = -400 * x[0] * bend - 2 * (1 - x[0]);
    gradient[1] = 200 * bend;
    return 100 * bend * bend + (1 - x[0]) * (1 - x[0]);
  };
  Lbfgs solver({.memory = 5, .tolerance = 1e-9}, rosenbrock);
  solver.start({-1.2, 1.0});
  solve(solver, 200);
  CHECK(solver.x()[0] == doctest::Approx(1).epsilon(1e-6));
  CHECK(solver.x()[1] == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("lbfgs: a state taken in the middle goes on to the same bits") {
  const Quadratic quadratic(30);
  Lbfgs through({.memory = 4, .tolerance = 1e-9}, quadratic);
  through.start(std::vector<double>(30, 1.0));
  for (int i = 0; i < 7; ++i) through.step();
  Lbfgs resumed({.memory = 4, .tolerance = 1e-9}, quadratic);
  resumed.restore(through.state());
  solve(through);
  solve(resumed);
  CHECK(resumed.x() == through.x());
  CHECK(resumed.iterations() == through.iterations());
  CHECK(resumed.evaluations() == through.evaluations());
}

TEST_CASE("lbfgs: a state that does not fit together is refused") {
  const Quadratic quadratic(30);
  Lbfgs solver({}, quadratic);
  solver.start(std::vector<double>(30, 1.0));
  solver.step();
  auto state = solver.state();
  state.at("s.0") = Tensor(DType::f64, {29});
  CHECK_THROWS_AS(solver.restore(state), Error);
  state.erase("gradient");
  CHECK_THROWS_AS(solver.restore(state), Error);
}

TEST_CASE("lbfgs: a function that is nowhere lower stalls instead of running for ever") {
  std::size_t calls = 0;
  const auto liar = [&](std::span<const double> x, std::span<double> gradient) {
    gradient[0] = 1;  // says "down to the left", but never is
    ++calls;
    return x[0] == 0 ? 0.0 : 1.0;
  };
  Lbfgs solver({.memory = 3, .tolerance = 1e-6, .max_evaluations = 20}, liar);
  solver.start({0.0});
  CHECK(solver.step() == Lbfgs::Status::stalled);
  CHECK(calls == 21);
}

}  // namespace
}  // namespace mt
