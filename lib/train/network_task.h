// Learning a network head from cached features.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "heads/network.h"
#include "train/loop.h"
#include "train/losses.h"
#include "train/sample_matrix.h"
#include "train/shuffled_rows.h"

namespace mt {

class NetworkTask : public LearningTask {
 public:
  // Positions [0, train_end) train in batches, [train_end, size) validate. Network and loss must
  // outlive the task.
  NetworkTask(Network& network, SampleMatrix& matrix, std::size_t train_end, const Loss& loss, std::size_t batch,
              std::uint64_t seed);

  std::vector<Parameter*> parameters() override { return network_.parameters(); }
  std::size_t batches_per_epoch() const override { return rows_.batches_per_epoch(); }
  void begin_epoch(std::size_t epoch, std::size_t skip_batches) override { rows_.begin_epoch(epoch, skip_batches); }
  BatchResult learn(std::uint64_t step) override;
  std::string describe_batch() override;
  std::optional<HeadScore> validate() override;

 private:
  Network& network_;
  SampleMatrix& matrix_;
  std::size_t train_end_;
  const Loss& loss_;
  std::uint64_t seed_;
  ShuffledRows rows_;
  std::vector<std::size_t> batch_;  // positions of the last batch
};

}  // namespace mt
