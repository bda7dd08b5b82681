// y = finish(x W^T + b) with frozen weights, packed once for the instruction set at hand.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include "layers/rows.h"

namespace mt {

// Who multiplies: our kernels, or oneDNN where they are compiled for the baseline only.
enum class ProductBackend : std::uint8_t { automatic, own, onednn };

class Linear {
 public:
  // weight: [outputs, inputs] as PyTorch stores it; bias: [outputs] or empty. Both are copied.
  Linear(std::span<const float> weight, std::span<const float> bias, std::size_t inputs, std::size_t outputs,
         Finish finish, const Kernels& kernels, ProductBackend backend = ProductBackend::automatic);

  // x: [tokens, inputs], y: [tokens, outputs]; with Finish::bias_add the product is added to y. A row of y depends on
  // its row of x alone, to the byte. Saves nothing. Any number of threads may call it at once.
  void forward(Rows<const float> x, Rows<float> y) const;

  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }

 private:
  std::size_t inputs_, outputs_;
  Finish finish_;
  const Kernels* kernels_;
  Aligned<float> panels_, bias_;
  std::optional<Matmul> onednn_;
};

}  // namespace mt
