// y = finish(x W^T + b) with frozen weights, packed once for the instruction set at hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include "layers/operand.h"
#include "layers/rows.h"

namespace mt {

// Who multiplies: our kernels, or oneDNN where they are compiled for the baseline only.
enum class ProductBackend : std::uint8_t { automatic, own, onednn };

// How W lies in memory: [outputs, inputs] as PyTorch stores it, or its transpose [inputs, outputs] (not for int8).
enum class WeightOrder : std::uint8_t { by_output, by_input };

class Linear {
 public:
  // weight: inputs * outputs in the given order; bias: [outputs] or empty. Both are copied, weights in the precision:
  // int8 ones with a scale for each output, largest magnitude / 127. inputs must fill whole groups (groups_of). oneDNN
  // is for float32 only.
  Linear(std::span<const float> weight, std::span<const float> bias, std::size_t inputs, std::size_t outputs,
         Finish finish, const Kernels& kernels, Precision precision = Precision::f32,
         ProductBackend backend = ProductBackend::automatic, WeightOrder order = WeightOrder::by_output);

  // Other weights and bias of the same sizes, order and precision, packed into the same memory.
  void replace(std::span<const float> weight, std::span<const float> bias);

  // x: [tokens, inputs] operand, y: [tokens, outputs]; with Finish::bias_add the product is added to y, which is
  // float32 then. A row of y depends on its row of x alone, to the byte. Saves nothing. Any number of threads may call
  // it at once.
  void forward(const OperandRows& x, AnyRows y) const;

  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }

 private:
  void pack(std::span<const float> weight);
  void pack_by_input(std::span<const float> weight);
  void pack_by_input_narrowed(std::span<const float> weight);

  std::size_t inputs_, outputs_, depth_;
  Finish finish_;
  const Kernels* kernels_;
  Precision precision_;
  WeightOrder order_;
  bool uses_onednn_;
  Aligned<std::uint32_t> panels_;
  Aligned<float> bias_, scales_;       // [outputs, padded to panels]
  Aligned<std::int32_t> corrections_;  // likewise
  std::optional<Matmul> onednn_;
};

}  // namespace mt
