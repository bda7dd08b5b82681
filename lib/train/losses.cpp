#include "train/losses.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace mt {

namespace {

// log(sum(exp(logits))) in double precision.
double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

}  // namespace

CrossEntropy::CrossEntropy(std::size_t classes, double smoothing, std::vector<double> class_weights)
    : classes_(classes), smoothing_(smoothing), class_weights_(std::move(class_weights)) {
  if (class_weights_.empty()) class_weights_.assign(classes, 1.0);
  weight_sum_ = std::accumulate(class_weights_.begin(), class_weights_.end(), 0.0);
}

double CrossEntropy::forward(std::span<const float> logits, std::int32_t label) const {
  const double normaliser = log_sum_exp(logits);
  const auto right = static_cast<std::size_t>(label);
  double loss = (1 - smoothing_) * class_weights_[right] * (normaliser - logits[right]);
  if (smoothing_ > 0) {
    double spread = 0;
    for (std::size_t c = 0; c < classes_; ++c) spread += class_weights_[c] * (normaliser - logits[c]);
    loss += smoothing_ / static_cast<double>(classes_) * spread;
  }
  return loss;
}

double CrossEntropy::forward_backward(std::span<const float> logits, std::int32_t label, std::span<float> slope) const {
  const double loss = forward(logits, label);
  const double normaliser = log_sum_exp(logits);
  const auto right = static_cast<std::size_t>(label);
  const double share = smoothing_ / static_cast<double>(classes_);
  // d loss / d logit_c = (sum of weighted targets) * p_c - weighted target_c.
  const double total = (1 - smoothing_) * class_weights_[right] + share * weight_sum_;
  for (std::size_t c = 0; c < classes_; ++c) {
    const double target = class_weights_[c] * (share + (c == right ? 1 - smoothing_ : 0));
    slope[c] = static_cast<float>(total * std::exp(logits[c] - normaliser) - target);
  }
  return loss;
}

std::vector<double> balanced_class_weights(std::span<const std::size_t> counts) {
  const auto samples = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
  std::vector<double> weights;
  for (const std::size_t count : counts) {
    weights.push_back(samples / (static_cast<double>(counts.size()) * static_cast<double>(count)));
  }
  return weights;
}

}  // namespace mt
