// Batches of a file as the matrix that heads take: one row a sample.
#pragma once

#include <cstddef>

#include "base/tensor.h"
#include "store/batch.h"

namespace mt {

// [n, rows * width] f32. Pooled features are taken as they are; tokens, patches and per-token features are laid end to
// end, so every sample must have the same number of rows: rows, or with rows = 0 as many as the first sample has.
// uint8 patches keep their range 0..255. Throws Error naming the sample whose length differs, and what to do.
Tensor feature_matrix(const Batch& batch, std::size_t rows = 0);

}  // namespace mt
