#include "train/losses.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "heads/head.h"

namespace mt {

namespace {

// log(sum(exp(logits))) in double precision.
double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

// log(1 + exp(x)), which overflows nowhere: -log(sigmoid(-x)).
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

std::size_t index_of(const Target& target) { return static_cast<std::size_t>(target.label); }

// -log(probability of the label).
double surprise(std::span<const float> logits, const Target& target) {
  return log_sum_exp(logits) - logits[index_of(target)];
}

}  // namespace

double Loss::weight_of(const Target&) const { return 1; }

CrossEntropy::CrossEntropy(std::size_t classes, double smoothing, std::vector<double> class_weights)
    : classes_(classes), smoothing_(smoothing), class_weights_(std::move(class_weights)) {
  if (class_weights_.empty()) class_weights_.assign(classes, 1.0);
  weight_sum_ = std::accumulate(class_weights_.begin(), class_weights_.end(), 0.0);
}

double CrossEntropy::weight_of(const Target& target) const { return class_weights_[index_of(target)]; }

double CrossEntropy::forward(std::span<const float> logits, const Target& target) const {
  const double normaliser = log_sum_exp(logits);
  const std::size_t right = index_of(target);
  double loss = (1 - smoothing_) * class_weights_[right] * (normaliser - logits[right]);
  if (smoothing_ > 0) {
    double spread = 0;
    for (std::size_t c = 0; c < classes_; ++c) spread += class_weights_[c] * (normaliser - logits[c]);
    loss += smoothing_ / static_cast<double>(classes_) * spread;
  }
  return loss;
}

double CrossEntropy::forward_backward(std::span<const float> logits, const Target& target,
                                      std::span<float> slope) const {
  const double loss = forward(logits, target);
  const double normaliser = log_sum_exp(logits);
  const std::size_t right = index_of(target);
  const double share = smoothing_ / static_cast<double>(classes_);
  // d loss / d logit_c = (sum of weighted targets) * p_c - weighted target_c.
  const double total = (1 - smoothing_) * class_weights_[right] + share * weight_sum_;
  for (std::size_t c = 0; c < classes_; ++c) {
    const double wanted = class_weights_[c] * (share + (c == right ? 1 - smoothing_ : 0));
    slope[c] = static_cast<float>(total * std::exp(logits[c] - normaliser) - wanted);
  }
  return loss;
}

double CrossEntropy::plain(std::span<const float> logits, const Target& target) const {
  return surprise(logits, target);
}

FocalLoss::FocalLoss(std::size_t classes, double gamma, std::vector<double> class_weights)
    : gamma_(gamma), class_weights_(std::move(class_weights)) {
  if (class_weights_.empty()) class_weights_.assign(classes, 1.0);
}

double FocalLoss::weight_of(const Target& target) const { return class_weights_[index_of(target)]; }

double FocalLoss::forward(std::span<const float> logits, const Target& target) const {
  const double missing = surprise(logits, target);
  return weight_of(target) * std::pow(-std::expm1(-missing), gamma_) * missing;
}

double FocalLoss::forward_backward(std::span<const float> logits, const Target& target, std::span<float> slope) const {
  const double normaliser = log_sum_exp(logits);
  const std::size_t right = index_of(target);
  const double missing = normaliser - logits[right], p = std::exp(-missing), missed = -std::expm1(-missing);
  const double weight = class_weights_[right], damping = std::pow(missed, gamma_);
  // d loss / d log p = gamma (1 - p)^(gamma - 1) p log p - (1 - p)^gamma; its first term vanishes where p is 1.
  const double steep = missed > 0 ? gamma_ * damping / missed * p * missing : 0;
  const double by_log = -weight * (damping + steep);
  for (std::size_t c = 0; c < logits.size(); ++c)
    slope[c] = static_cast<float>(by_log * ((c == right ? 1 : 0) - std::exp(logits[c] - normaliser)));
  return weight * damping * missing;
}

double FocalLoss::plain(std::span<const float> logits, const Target& target) const { return surprise(logits, target); }

BinaryCrossEntropy::BinaryCrossEntropy(std::size_t outputs, double smoothing, std::vector<double> class_weights)
    : smoothing_(smoothing), class_weights_(std::move(class_weights)) {
  if (class_weights_.empty()) class_weights_.assign(outputs, 1.0);
}

double BinaryCrossEntropy::weight_of(const Target& target) const {
  return target.label < 0 ? 1 : class_weights_[index_of(target)];
}

double BinaryCrossEntropy::truth(const Target& target, std::size_t output) const {
  const double hard = target.label < 0 ? double{target.numbers[output]} : index_of(target) == output ? 1.0 : 0.0;
  return hard * (1 - smoothing_) + smoothing_ / 2;
}

double BinaryCrossEntropy::forward(std::span<const float> logits, const Target& target) const {
  double sum = 0;
  for (std::size_t c = 0; c < logits.size(); ++c) sum += softplus(logits[c]) - truth(target, c) * logits[c];
  return weight_of(target) * sum / static_cast<double>(logits.size());
}

double BinaryCrossEntropy::forward_backward(std::span<const float> logits, const Target& target,
                                            std::span<float> slope) const {
  const double loss = forward(logits, target);
  const double scale = weight_of(target) / static_cast<double>(logits.size());
  for (std::size_t c = 0; c < logits.size(); ++c)
    slope[c] = static_cast<float>(scale * (sigmoid(logits[c]) - truth(target, c)));
  return loss;
}

double BinaryCrossEntropy::plain(std::span<const float> logits, const Target& target) const {
  if (target.label >= 0) {
    double sum = 0;
    for (const float logit : logits) sum += sigmoid(logit);
    return softplus(-logits[index_of(target)]) + std::log(sum);
  }
  double sum = 0;
  for (std::size_t c = 0; c < logits.size(); ++c)
    sum += softplus(logits[c]) - double{target.numbers[c]} * double{logits[c]};
  return sum / static_cast<double>(logits.size());
}

double DistanceLoss::of(double residual) const {
  const double size = std::abs(residual);
  switch (kind_) {
    case Kind::squares:
      return residual * residual;
    case Kind::absolute:
      return size;
    case Kind::huber:
      return size <= delta_ ? residual * residual / 2 : delta_ * (size - delta_ / 2);
  }
  return 0;
}

double DistanceLoss::slope_at(double residual) const {
  const double sign = residual > 0 ? 1 : residual < 0 ? -1 : 0;
  switch (kind_) {
    case Kind::squares:
      return 2 * residual;
    case Kind::absolute:
      return sign;
    case Kind::huber:
      return std::abs(residual) <= delta_ ? residual : delta_ * sign;
  }
  return 0;
}

double DistanceLoss::forward(std::span<const float> outputs, const Target& target) const {
  double sum = 0;
  for (std::size_t k = 0; k < outputs.size(); ++k) sum += of(double{outputs[k]} - double{target.numbers[k]});
  return sum / static_cast<double>(outputs.size());
}

double DistanceLoss::forward_backward(std::span<const float> outputs, const Target& target,
                                      std::span<float> slope) const {
  const double loss = forward(outputs, target), scale = 1 / static_cast<double>(outputs.size());
  for (std::size_t k = 0; k < outputs.size(); ++k)
    slope[k] = static_cast<float>(scale * slope_at(double{outputs[k]} - double{target.numbers[k]}));
  return loss;
}

double DistanceLoss::plain(std::span<const float> outputs, const Target& target) const {
  return forward(outputs, target);
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
