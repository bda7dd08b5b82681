// Fitting the heads that have no weights to learn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/tensor.h"
#include "heads/nearest_mean.h"
#include "train/sample_matrix.h"

namespace mt {

struct ClassMeans {
  Tensor means;         // [C, D] f32 (cosine: of features at length 1)
  double variance = 0;  // of a feature around its class's mean, averaged over features
};

// One pass over positions [begin, end).
ClassMeans class_means(SampleMatrix& matrix, std::size_t begin, std::size_t end, std::size_t classes,
                       Distance distance);

// The scale of a nearest-mean head's logits at which its probabilities fit positions [begin, end) best (least mean
// cross entropy; Guo et al. 2017 call its inverse a temperature). head must have scale 1.
double calibrated_scale(const NearestMeanHead& head, SampleMatrix& matrix, std::size_t begin, std::size_t end);

// Positions [begin, end) as a neighbours head keeps them: rows of f32, or f16 when half, and their labels.
struct KeptSamples {
  Tensor rows;    // [N, D]
  Tensor labels;  // [N] i32
};
KeptSamples keep_samples(SampleMatrix& matrix, std::size_t begin, std::size_t end, bool half);

}  // namespace mt
