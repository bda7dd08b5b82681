// What training minimises, and its slope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mt {

// Cross entropy of softmax(logits), as torch.nn.CrossEntropyLoss: the target is 1 - smoothing on the label plus
// smoothing / C on every class, and class c counts class_weights[c] times. A mean divides by the sum of
// weight_of(label).
class CrossEntropy {
 public:
  // class_weights: [classes], or empty for equal ones.
  explicit CrossEntropy(std::size_t classes, double smoothing = 0, std::vector<double> class_weights = {});

  std::size_t classes() const { return classes_; }
  double smoothing() const { return smoothing_; }
  const std::vector<double>& class_weights() const { return class_weights_; }
  double weight_of(std::int32_t label) const { return class_weights_[static_cast<std::size_t>(label)]; }

  // One sample. logits: [classes]; slope: [classes], overwritten with d loss / d logits; may be logits. Returns the
  // loss.
  double forward_backward(std::span<const float> logits, std::int32_t label, std::span<float> slope) const;
  // The loss alone.
  double forward(std::span<const float> logits, std::int32_t label) const;

 private:
  std::size_t classes_;
  double smoothing_;
  std::vector<double> class_weights_;
  double weight_sum_ = 0;
};

// N / (C * samples of the class), scikit-learn's "balanced". counts: [C], none 0.
std::vector<double> balanced_class_weights(std::span<const std::size_t> counts);

}  // namespace mt
