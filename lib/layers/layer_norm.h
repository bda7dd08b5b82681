// y = (x - mean) / sqrt(variance + eps) * gain + bias over each row.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "layers/rows.h"

namespace mt {

struct LayerNorm {
  std::vector<float> gain, bias;  // [width]
  float eps = 1e-5f;

  // x, y: [tokens, width], both tightly packed; y may be x. Saves nothing: the statistics are cheap to take again.
  void forward(const Kernels& kernels, Rows<const float> x, Rows<float> y) const {
    kernels.layer_norm(x.data, x.count, x.width, gain.data(), bias.data(), eps, y.data);
  }
};

}  // namespace mt
