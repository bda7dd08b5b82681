#include "train/numbers_task.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/interrupt.h"
#include "heads/feature_matrix.h"
#include "layers/tiles.h"

namespace mt {

namespace {

constexpr std::size_t kValidatedAtOnce = 1024;  // samples

}  // namespace

NumbersTask::NumbersTask(const Parts& parts, std::vector<std::size_t> train, std::vector<std::size_t> validation,
                         std::size_t batch, std::uint64_t seed)
    : parts_(parts),
      validation_(std::move(validation)),
      seed_(seed),
      samples_(parts.set, std::move(train), batch, seed) {}

Tensor NumbersTask::features_of(const Batch& batch) const {
  Tensor features = feature_matrix(batch, parts_.network.shape().inputs / batch.rows.columns());
  if (parts_.standardisation != nullptr) {
    float* const values = features.as<float>().data();
    parts_.standardisation->apply(values, values, features.rows());
  }
  return features;
}

LearningTask::BatchResult NumbersTask::learn(std::uint64_t step) {
  auto drawn = samples_.next();
  if (!drawn) throw std::logic_error("numbers task: the epoch is over");
  batch_ = drawn->samples;
  const std::size_t samples = batch_.size();
  const Tensor features = features_of(drawn->batch);
  Tensor targets = std::move(drawn->batch.targets);
  parts_.targets.to_scale(targets);

  Network::Saved saved;
  Tensor slope = parts_.network.forward(features, seed_, step, saved, parts_.pool);
  std::vector<double> losses(samples);
  const auto scale = 1 / static_cast<float>(samples);
  for_each_row_tile(samples, parts_.pool, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto row = slope.row<float>(i);
      losses[i] = parts_.loss.forward_backward(row, std::as_const(targets).row<float>(i), row);
      for (float& value : row) value *= scale;
    }
  });
  BatchResult result{.loss = 0, .weight = static_cast<double>(samples), .samples = samples};
  for (const double loss : losses) result.loss += loss;
  parts_.network.backward(features, saved, slope, nullptr, parts_.pool);
  return result;
}

std::string NumbersTask::describe_batch() {
  // The reading thread may be inside HDF5: it has to stop first.
  samples_.stop();
  return batch_named(parts_.set.describe(batch_.front()), batch_.size());
}

std::optional<HeadScore> NumbersTask::validate() {
  samples_.stop();
  if (validation_.empty()) return std::nullopt;
  const std::size_t outputs = parts_.network.shape().outputs;
  HeadScore score{.samples = validation_.size()};
  double squares = 0;
  for (std::size_t begin = 0; begin < validation_.size(); begin += kValidatedAtOnce) {
    throw_if_interrupted();
    const auto samples = std::span<const std::size_t>(validation_)
                             .subspan(begin, std::min(kValidatedAtOnce, validation_.size() - begin));
    const Batch batch = parts_.set.read(samples);
    const Tensor features = features_of(batch);
    Tensor made(DType::f32, {samples.size(), outputs});
    for_each_row_tile(samples.size(), parts_.pool, [&](std::size_t first, std::size_t end) {
      parts_.network.forward_rows(features.row<float>(first).data(), made.row<float>(first).data(), end - first);
    });
    Tensor scaled = batch.targets;
    parts_.targets.to_scale(scaled);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto row = std::as_const(made).row<float>(i);
      score.loss += parts_.loss.plain(row, std::as_const(scaled).row<float>(i));
      squares += parts_.targets.squared_error(row, batch.targets.row<float>(i));
    }
  }
  const auto count = static_cast<double>(validation_.size());
  score.loss /= count;
  score.mse = squares / (count * static_cast<double>(outputs));
  return score;
}

}  // namespace mt
