#include "heads/standardisation.h"

#include <cmath>
#include <limits>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "heads/config.h"

namespace mt {

namespace {

constexpr const char *kMean = "standardise.mean", *kDeviation = "standardise.deviation";

}  // namespace

void Standardisation::apply(const float* x, float* y, std::size_t rows) const {
  const std::size_t width = mean.size();
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t d = 0; d < width; ++d) y[r * width + d] = (x[r * width + d] - mean[d]) / deviation[d];
  }
}

bool Standardisation::is_in(const Part& head) { return head.has(kMean) || head.has(kDeviation); }

Standardisation Standardisation::from(const Part& head, std::size_t width) {
  const auto read = [&](const std::string& name) {
    const Tensor& tensor = head_tensor(head, name);
    if (tensor.shape() != Shape{width} || tensor.dtype() != DType::f32) {
      throw Error("head", fmt::format("{} is {}, not float32 [{}]", name, to_string(tensor.shape()), width),
                  "train it again");
    }
    const auto values = tensor.as<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  Standardisation result{read(kMean), read(kDeviation)};
  for (const float one : result.deviation) {
    if (!(one > 0))
      throw Error("head", fmt::format("{} has {}, which is not positive", kDeviation, one), "train it again");
  }
  return result;
}

void Standardisation::add_to(Part& head) const {
  head.tensors.emplace(kMean, Tensor::of<float>({mean.size()}, std::span<const float>(mean)));
  head.tensors.emplace(kDeviation, Tensor::of<float>({deviation.size()}, std::span<const float>(deviation)));
}

Moments::Moments(std::size_t width) : mean_(width), squares_(width) {}

void Moments::add(const float* rows, std::size_t count) {
  if (count == 0) return;
  const std::size_t width = mean_.size();
  Moments block(width);
  block.count_ = count;
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t d = 0; d < width; ++d) block.mean_[d] += rows[r * width + d];
  }
  for (double& value : block.mean_) value /= static_cast<double>(count);
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t d = 0; d < width; ++d) {
      const double difference = rows[r * width + d] - block.mean_[d];
      block.squares_[d] += difference * difference;
    }
  }
  add(block);
}

void Moments::add(const Moments& other) {
  if (other.count_ == 0) return;
  const auto mine = static_cast<double>(count_), theirs = static_cast<double>(other.count_);
  for (std::size_t d = 0; d < mean_.size(); ++d) {
    const double difference = other.mean_[d] - mean_[d];
    mean_[d] += difference * (theirs / (mine + theirs));
    squares_[d] += other.squares_[d] + difference * difference * (mine * theirs / (mine + theirs));
  }
  count_ += other.count_;
}

std::vector<double> Moments::variance() const {
  std::vector<double> result(squares_);
  for (double& value : result) value /= count_ > 0 ? static_cast<double>(count_) : 1.0;
  return result;
}

Standardisation Moments::standardisation() const {
  Standardisation result;
  const auto count = static_cast<double>(count_);
  const std::vector<double> variances = variance();
  for (std::size_t d = 0; d < mean_.size(); ++d) {
    // scikit-learn's bound for "constant": the rounding that the mean and the variance themselves may carry.
    constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
    const double rounding = count * mean_[d] * kEpsilon;
    const bool constant = variances[d] <= count * kEpsilon * variances[d] + rounding * rounding;
    // A deviation that float32 cannot hold would turn into division by zero.
    const auto deviation = static_cast<float>(std::sqrt(variances[d]));
    result.mean.push_back(static_cast<float>(mean_[d]));
    result.deviation.push_back(constant || !(deviation >= std::numeric_limits<float>::min()) ? 1.0F : deviation);
  }
  return result;
}

}  // namespace mt
