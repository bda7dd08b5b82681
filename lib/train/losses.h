// What training minimises, and its slope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mt {

// What a sample should give: its class, or its numbers (borrowed).
struct Target {
  std::int32_t label = -1;
  std::span<const float> numbers;

  Target(std::int32_t label_number) : label(label_number) {}                  // NOLINT(google-explicit-constructor)
  Target(std::span<const float> sample_numbers) : numbers(sample_numbers) {}  // NOLINT(google-explicit-constructor)
};

class Loss {
 public:
  virtual ~Loss() = default;

  // How often a sample counts: a mean over samples divides by the sum of these.
  virtual double weight_of(const Target& target) const;
  // The loss of one sample. outputs: [outputs], as the head's last layer gives them.
  virtual double forward(std::span<const float> outputs, const Target& target) const = 0;
  // The same; slope: [outputs], overwritten with d loss / d outputs; may be outputs.
  virtual double forward_backward(std::span<const float> outputs, const Target& target,
                                  std::span<float> slope) const = 0;
  // What validation reports, without smoothing and weights: of classes -log(probability of the label).
  virtual double plain(std::span<const float> outputs, const Target& target) const = 0;
};

// Cross entropy of softmax(logits), as torch.nn.CrossEntropyLoss: the target is 1 - smoothing on the label plus
// smoothing / C on every class, and class c counts class_weights[c] times.
class CrossEntropy final : public Loss {
 public:
  // class_weights: [classes], or empty for equal ones.
  explicit CrossEntropy(std::size_t classes, double smoothing = 0, std::vector<double> class_weights = {});

  std::size_t classes() const { return classes_; }
  double smoothing() const { return smoothing_; }
  const std::vector<double>& class_weights() const { return class_weights_; }

  double weight_of(const Target& target) const override;
  double forward(std::span<const float> logits, const Target& target) const override;
  double forward_backward(std::span<const float> logits, const Target& target, std::span<float> slope) const override;
  double plain(std::span<const float> logits, const Target& target) const override;

 private:
  std::size_t classes_;
  double smoothing_;
  std::vector<double> class_weights_;
  double weight_sum_ = 0;
};

// Cross entropy that cares less for what is right already: -(1 - p)^gamma log p of the label's p = softmax(logits)
// (Lin et al., Focal Loss for Dense Object Detection, 2017; over classes). gamma 0 is cross entropy.
class FocalLoss final : public Loss {
 public:
  // class_weights: [classes] (the paper's alpha), or empty for equal ones.
  FocalLoss(std::size_t classes, double gamma, std::vector<double> class_weights = {});

  double weight_of(const Target& target) const override;
  double forward(std::span<const float> logits, const Target& target) const override;
  double forward_backward(std::span<const float> logits, const Target& target, std::span<float> slope) const override;
  double plain(std::span<const float> logits, const Target& target) const override;

 private:
  double gamma_;
  std::vector<double> class_weights_;
};

// Each output is a question of its own, answered by a sigmoid: mean over outputs of the binary cross entropy, as
// torch.nn.BCEWithLogitsLoss. Of a label: 1 for its class, 0 for the others (one against the rest), smoothed towards
// 1/2: y (1 - smoothing) + smoothing / 2. Of numbers: those, from 0 to 1.
class BinaryCrossEntropy final : public Loss {
 public:
  // class_weights: of a sample by its label, [outputs], or empty for equal ones.
  BinaryCrossEntropy(std::size_t outputs, double smoothing = 0, std::vector<double> class_weights = {});

  double weight_of(const Target& target) const override;
  double forward(std::span<const float> logits, const Target& target) const override;
  double forward_backward(std::span<const float> logits, const Target& target, std::span<float> slope) const override;
  // Of a label: the probability is its sigmoid's share of the sum of all.
  double plain(std::span<const float> logits, const Target& target) const override;

 private:
  double truth(const Target& target, std::size_t output) const;

  double smoothing_;
  std::vector<double> class_weights_;
};

// How far predicted numbers are off, r = output - target: mean over outputs of r^2, |r|, or Huber's, which is r^2 / 2
// up to |r| = delta and delta (|r| - delta / 2) beyond (as torch.nn.HuberLoss).
class DistanceLoss final : public Loss {
 public:
  enum class Kind : std::uint8_t { squares, absolute, huber };
  explicit DistanceLoss(Kind kind, double delta = 1) : kind_(kind), delta_(delta) {}

  double forward(std::span<const float> outputs, const Target& target) const override;
  double forward_backward(std::span<const float> outputs, const Target& target, std::span<float> slope) const override;
  double plain(std::span<const float> outputs, const Target& target) const override;

 private:
  double of(double residual) const;
  double slope_at(double residual) const;  // 0 at 0 for |r|

  Kind kind_;
  double delta_;
};

// N / (C * samples of the class), scikit-learn's "balanced". counts: [C], none 0.
std::vector<double> balanced_class_weights(std::span<const std::size_t> counts);

}  // namespace mt
