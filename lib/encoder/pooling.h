// From the tokens of one sample to its features.
#pragma once

#include "encoder/encoder.h"
#include "layers/layer_norm.h"
#include "layers/rows.h"
#include "layers/trainable_layer_norm.h"

namespace mt {

// Pools one sample: x [T, width], changed by the norm, T > prefix (T > 0 for cls and eot); out: [width], or
// [T - prefix, width] for Pooling::tokens. norm may be null. Sums run over the tokens in order; the
// mean weights token i by sizes[i] where sizes is not null.
void pool(Rows<float> x, const float* sizes, Pooling pooling, std::size_t prefix, const LayerNorm* norm,
          Architecture::Norm when, const Kernels& kernels, float* out);

// The way back of pool without sizes. x: [T, width], before the norm; dout: like out. Overwrites dx [T, width]; adds to
// the gradients of norm, which may be null, where they learn. The gradient of a maximum goes to the first token that
// has it.
void pool_backward(Rows<const float> x, Pooling pooling, std::size_t prefix, TrainableLayerNorm* norm,
                   Architecture::Norm when, const float* dout, Rows<float> dx);

}  // namespace mt
