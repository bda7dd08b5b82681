#include "train/network_task.h"

#include <algorithm>
#include <stdexcept>

#include "layers/tiles.h"
#include "train/sample_tiles.h"

namespace mt {

NetworkTask::NetworkTask(Network& network, SampleMatrix& matrix, std::size_t train_end, const Loss& loss,
                         std::size_t batch, std::uint64_t seed)
    : network_(network),
      matrix_(matrix),
      train_end_(train_end),
      loss_(loss),
      seed_(seed),
      rows_(matrix, train_end, batch, seed) {}

LearningTask::BatchResult NetworkTask::learn(std::uint64_t step) {
  auto rows = rows_.next();
  if (!rows) throw std::logic_error("network task: the epoch is over");
  batch_ = std::move(rows->positions);
  const std::size_t samples = batch_.size();
  BatchResult result{.loss = 0, .weight = 0, .samples = samples};
  for (const std::int32_t label : rows->labels) result.weight += loss_.weight_of(label);

  Network::Saved saved;
  Tensor slope = network_.forward(rows->features, seed_, step, saved, matrix_.pool());
  std::vector<double> losses(samples);
  std::vector<std::uint8_t> right(samples);
  const auto scale = static_cast<float>(1 / result.weight);
  for_each_row_tile(samples, matrix_.pool(), [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto row = slope.row<float>(i);
      right[i] = std::ranges::max_element(row) - row.begin() == rows->labels[i] ? 1 : 0;
      losses[i] = loss_.forward_backward(row, rows->labels[i], row);
      for (float& value : row) value *= scale;
    }
  });
  for (const double loss : losses) result.loss += loss;
  result.right = static_cast<std::size_t>(std::ranges::count(right, 1));
  network_.backward(rows->features, saved, slope, nullptr, matrix_.pool());
  return result;
}

std::string NetworkTask::describe_batch() {
  // The reading thread may be inside HDF5: it has to stop first.
  rows_.stop();
  return batch_named(matrix_.describe(batch_.front()), batch_.size());
}

std::optional<HeadScore> NetworkTask::validate() {
  if (train_end_ == matrix_.size()) return std::nullopt;
  return score_positions(
      matrix_, train_end_, matrix_.size(), network_.shape().outputs, loss_,
      [&](const float* rows, std::size_t count, float* logits) { network_.forward_rows(rows, logits, count); });
}

}  // namespace mt
