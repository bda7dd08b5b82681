// The linear probe: softmax regression to its optimum by L-BFGS, its l2 chosen on validation samples.
#pragma once

#include <cstddef>
#include <vector>

#include <nlohmann/json.hpp>

#include "train/head_score.h"
#include "train/linear_objective.h"
#include "train/losses.h"
#include "train/sample_matrix.h"
#include "train/watch.h"

namespace mt {

struct ProbeSettings {
  // Strengths to try, in this order. Empty: decades from 1 down until two in a row bring nothing better, then half
  // decades around the best.
  std::vector<double> l2;
  double tolerance = 1e-5;  // on the gradient's largest element
  std::size_t max_iterations = 1000;
  Criterion select = Criterion::accuracy;
  bool refit = true;  // with the chosen l2, on training and validation samples together
};

struct ProbeTrial {
  double l2 = 0;
  double objective = 0;  // mean loss (with smoothing and class weights) + l2 / 2 * |weight|^2
  std::size_t iterations = 0, evaluations = 0;
  bool converged = false;
  HeadScore validation;  // no samples: nothing was held out
};
nlohmann::json to_json(const ProbeTrial& trial);

struct ProbeResult {
  std::vector<double> x;  // weight [C, D], bias [C]
  std::vector<ProbeTrial> trials;
  std::size_t best = 0;  // trial whose l2 was chosen
  ProbeTrial last;       // the fit that x is: trials[best], or the refit
  bool refitted = false;
};

// Positions [0, train_end) train, [train_end, size) validate. Several strengths need validation samples (logic_error).
// Goes on from watch.resumed to the same bytes.
ProbeResult train_probe(SampleMatrix& matrix, std::size_t train_end, const CrossEntropy& loss,
                        const ProbeSettings& settings, Watch& watch);

}  // namespace mt
