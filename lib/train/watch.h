// Who follows a run of training.
#pragma once

#include <optional>

#include "base/progress.h"
#include "train/learning_curve.h"
#include "train/state_file.h"
#include "train/training_log.h"

namespace mt {

struct Watch {
  Progress& progress;
  TrainingLog& log;
  StateFile& states;
  std::optional<TrainingState> resumed;  // where an earlier run stopped
  LearningCurve curve = {};
};

// Seconds since construction.
class Timer {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace mt
