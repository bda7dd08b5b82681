// From the tokens of one sample to its features.
#pragma once

#include "encoder/encoder.h"
#include "layers/layer_norm.h"
#include "layers/rows.h"

namespace mt {

// Pools one sample: x [T, width], changed by the norm, T > prefix (T > 0 for cls and eot); out: [width], or
// [T - prefix, width] for Pooling::tokens. norm may be null. Sums run over the tokens in order; the
// mean weights token i by sizes[i] where sizes is not null.
void pool(Rows<float> x, const float* sizes, Pooling pooling, std::size_t prefix, const LayerNorm* norm,
          Architecture::Norm when, const Kernels& kernels, float* out);

}  // namespace mt
