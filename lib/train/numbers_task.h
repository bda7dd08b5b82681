// Learning a network that predicts numbers from cached features.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/threads.h"
#include "heads/network.h"
#include "train/loop.h"
#include "train/losses.h"
#include "train/number_targets.h"
#include "train/sample_set.h"
#include "train/shuffled_samples.h"

namespace mt {

class NumbersTask : public LearningTask {
 public:
  struct Parts {
    Network& network;
    SampleSet& set;                          // of numbers
    const Standardisation* standardisation;  // of the features; null: as they are
    const NumberTargets& targets;
    const Loss& loss;
    ThreadPool& pool;
  };
  // parts must outlive the task. train, validation: numbers in the set. batch: samples of a step. seed: of the order
  // and of dropout.
  NumbersTask(const Parts& parts, std::vector<std::size_t> train, std::vector<std::size_t> validation,
              std::size_t batch, std::uint64_t seed);

  std::vector<Parameter*> parameters() override { return parts_.network.parameters(); }
  std::size_t batches_per_epoch() const override { return samples_.batches_per_epoch(); }
  void begin_epoch(std::size_t epoch, std::size_t skip_batches) override { samples_.begin_epoch(epoch, skip_batches); }
  BatchResult learn(std::uint64_t step) override;
  std::string describe_batch() override;
  std::optional<HeadScore> validate() override;

 private:
  Tensor features_of(const Batch& batch) const;

  Parts parts_;
  std::vector<std::size_t> validation_;
  std::uint64_t seed_;
  ShuffledSamples samples_;
  std::vector<std::size_t> batch_;  // numbers of the last batch's samples
};

}  // namespace mt
