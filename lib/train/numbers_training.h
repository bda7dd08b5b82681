// Training a head that predicts numbers from cached features, step by step: other losses than the squared error, and
// networks with hidden layers. What is linear and squared is solved exactly: train/ridge.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "base/threads.h"
#include "train/head_training.h"
#include "train/number_targets.h"
#include "train/sample_set.h"
#include "train/watch.h"

namespace mt {

class NumbersTraining {
 public:
  // Opens the files, holds out, measures features and targets. settings must outlive it. Throws Error: no targets,
  // other targets or widths in other files, samples of several lengths, numbers that are not finite (naming the
  // sample).
  NumbersTraining(const HeadTrainingSettings& settings, ThreadPool& pool, Progress& progress);

  // Samples, targets, parameters: what a dry run says.
  nlohmann::json plan() const;
  // Digest of settings and data: equal runs give equal heads.
  const std::string& run() const { return run_; }

  TrainedHead train(Watch& watch);

 private:
  void measure_features();
  NetworkShape network_shape() const;

  const HeadTrainingSettings& settings_;
  ThreadPool& pool_;
  SampleSet set_;
  std::vector<std::size_t> train_, validation_;  // numbers in the set
  std::size_t rows_ = 1, width_ = 0;             // of one sample; of what the head takes
  std::optional<Standardisation> standardisation_;
  NumberTargets targets_;
  std::string run_;
};

}  // namespace mt
