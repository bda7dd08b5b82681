// The training loop: epochs of batches, a schedule, validation, early stopping, the best kept, checkpoints. It knows
// neither heads nor files: what learns, and from what, is a LearningTask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/tensor.h"
#include "layers/parameter.h"
#include "train/head_score.h"
#include "train/optimisers.h"
#include "train/schedule.h"
#include "train/watch.h"

namespace mt {

// What the loop trains. Everything random in it depends on the epoch and step that it is told, so that a run can go on
// from any step.
class LearningTask {
 public:
  virtual ~LearningTask() = default;
  virtual std::vector<Parameter*> parameters() = 0;
  virtual void parameters_changed() {}  // called after the values were changed, before anything else
  virtual std::size_t batches_per_epoch() const = 0;
  // Starts an epoch (from 0); skips its first batches without reading them.
  virtual void begin_epoch(std::size_t epoch, std::size_t skip_batches) = 0;

  struct BatchResult {
    double loss = 0;  // sum over samples, weighted
    double weight = 0;
    std::size_t samples = 0;
    std::optional<std::size_t> right = {};  // of classes: samples whose largest logit is their label's
  };
  // The next batch of the epoch: forward and backward. Adds the gradient of the batch's mean loss, which is
  // loss / weight, to the parameters' gradients.
  virtual BatchResult learn(std::uint64_t step) = 0;
  virtual std::string describe_batch() = 0;         // names the last batch (batch_named), for errors
  virtual std::optional<HeadScore> validate() = 0;  // nullopt: nothing was held out
};

struct LoopSettings {
  std::size_t epochs = 30;
  Schedule schedule;
  OptimiserSettings optimiser;
  double clip = 0;           // largest norm of the gradient; 0: off
  double ema = 0;            // decay of a moving average of the parameters, validated and kept instead; 0: off
  std::size_t patience = 0;  // epochs without a better validation before stopping; 0: never
  Criterion select = Criterion::accuracy;
};

struct LoopResult {
  std::size_t epochs = 0, best_epoch = 0;  // done; the one whose parameters were kept (counted from 1)
  std::uint64_t steps = 0;
  double loss = 0;                      // mean of the last epoch's batches
  std::optional<HeadScore> validation;  // of the kept parameters
};

// What a head's part and --json say of it, without the validation.
nlohmann::json to_json(const LoopResult& result);

// A batch by its first sample: "FILE: ID", or "FILE: ID and 31 more samples".
std::string batch_named(const std::string& first, std::size_t samples);

// Leaves the best parameters (the last ones without validation) in task. Throws Error when the loss or the gradient is
// not finite, naming the step and the batch.
LoopResult run_loop(LearningTask& task, const LoopSettings& settings, Watch& watch);

}  // namespace mt
