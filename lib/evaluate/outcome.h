// What the metrics keep of one labelled sample: 32 bytes, however many classes there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mt {

inline constexpr std::size_t kCalibrationBins = 15;

struct Outcome {
  std::int32_t label = 0;       // the true class
  std::int32_t prediction = 0;  // the class of the largest score, the first of equal ones (as numpy.argmax)
  // How many classes come before the true one. Among equal scores the class with the larger number comes first, as in
  // scikit-learn's top_k_accuracy_score, so that "rank < k" is its hit.
  std::int32_t rank = 0;
  std::uint32_t bin = 0;    // calibration bin of the confidence: bin b holds (b/15, (b+1)/15], and bin 0 holds 0 too
  float score = 0;          // of the true class
  float confidence = 0;     // of the prediction
  float squared_error = 0;  // sum over the classes of (score - [class is the true one])^2
  float loss = 0;  // -ln(score), the score clipped to [eps, 1 - eps] with eps of float32, as scikit-learn's log_loss

  bool correct() const { return label == prediction; }
};

// scores: [classes], probabilities; label: 0 .. classes-1 (logic_error otherwise). Throws Error where a score is not
// finite, naming the class by its number.
Outcome outcome_of(std::span<const float> scores, std::int32_t label);

// numpy.argmax: the first of the largest.
std::size_t prediction_of(std::span<const float> scores);

// 0 .. kCalibrationBins-1; edges are numpy.linspace(0, 1, 16).
std::uint32_t calibration_bin(float confidence);

}  // namespace mt
