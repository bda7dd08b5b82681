// An encoder's weights on one card.
#pragma once

#include <cstddef>
#include <vector>

#include "encoder/cuda/card_memory.h"
#include "encoder/encoder.h"

namespace mt::cuda {

// In what cards store operands of this precision.
DType storage_of(Precision precision);

struct NormWeights {
  const float *gain = nullptr, *bias = nullptr;  // [width]
};

struct LinearWeights {
  const void *weight = nullptr, *bias = nullptr;  // [outputs, inputs]; [outputs] in the type of the product
};

struct BlockWeights {
  NormWeights norm1, norm2;
  LinearWeights qkv, output, hidden, mlp_output;
};

class CardWeights {
 public:
  // Products' weights are rounded to the precision; biases have the type of what they are added to. Throws OutOfMemory.
  CardWeights(const Part& part, const Architecture& architecture, Precision precision, Card& card);

  std::vector<BlockWeights> blocks;
  NormWeights norm;          // the final one, where there is one
  LinearWeights projection;  // float32, without bias, where there is one

 private:
  const void* keep(const Tensor& tensor, Precision precision);
  NormWeights norm_of(const Part& part, const std::string& name);
  LinearWeights linear_of(const Part& part, const std::string& name, Precision precision, Precision bias);

  Card& card_;
  std::vector<CardMemory> memory_;
};

}  // namespace mt::cuda
