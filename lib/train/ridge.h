// Linear regression with a penalty (ridge), solved exactly: the least of the mean squared error + l2 |W|^2 over
// standardised features. Two passes over the files; memory grows with the square of the features' width only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "base/threads.h"
#include "heads/regression_head.h"

namespace mt {

inline constexpr std::size_t kWidestRidge = 8192;  // two matrices of doubles of this side take 1 GiB

struct RidgeSettings {
  std::vector<std::string> features;          // files with /targets
  std::vector<std::string> validation_files;  // else held out:
  double validation = 0.1;                    // share of the samples; 0: none, then one l2 must be given
  std::string group;                          // rule of Grouping, "": none
  std::vector<double> l2;                     // candidates, the best on validation is taken; empty: 1e-5 ... 1e2
  std::uint64_t seed = 0;

  nlohmann::json to_json() const;  // what decides the head: no paths
};

struct RidgeFit {
  RegressionHead head;
  nlohmann::json metrics;  // samples, l2 and validation errors of each candidate
};

// Held out samples are put back once l2 is chosen. Throws Error: no targets, other targets or widths in other files,
// values that are not finite (naming the sample), nothing to train on, features wider than kWidestRidge.
RidgeFit fit_ridge(const RidgeSettings& settings, ThreadPool& pool, Progress& progress);

}  // namespace mt
