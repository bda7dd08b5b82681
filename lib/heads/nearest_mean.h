// The head without weights: the class whose mean is nearest.
#pragma once

#include <string_view>
#include <vector>

#include "heads/head.h"

namespace mt {

enum class Distance : std::uint8_t { euclidean, cosine };
std::string_view name_of(Distance distance);
Distance distance_named(std::string_view name);  // throws Error

// x: [width] to length 1, in double precision; zeros stay zeros.
void normalise_row(float* x, std::size_t width);

class NearestMeanHead : public Head {
 public:
  // means: [C, D] f32, of standardised features (cosine: of those at length 1). Logits are scale * -|x - mean|^2 / 2,
  // less what all classes share, or scale * cosine(x, mean): the posterior of round Gaussians of variance 1 / scale.
  NearestMeanHead(HeadDescription description, Tensor means, Distance distance, double scale);
  NearestMeanHead(HeadDescription description, const Part& part);

  HeadKind kind() const override { return HeadKind::nearest_mean; }

 protected:
  void logits_of_tile(const float* x, float* logits) const override;
  void describe(Part& part) const override;

 private:
  void prepare();

  Tensor means_;
  Distance distance_ = Distance::euclidean;
  double scale_ = 1;
  Tensor directions_;           // means, at length 1 for cosine
  std::vector<double> offset_;  // |mean|^2 / 2, or 0
};

}  // namespace mt
