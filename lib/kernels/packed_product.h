// Products with constant weights on AVX-512: y = x * W^T + b, the weights packed once, in float32, bfloat16 or int8.
//
// One micro-kernel for all three: 6 rows by 64 columns of 32-bit accumulators, each step a 32-bit group of inputs (one
// float, two bfloat16, four bytes). The sum over the inputs runs in one fixed order, so a row's bytes depend on nothing
// but the row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/tensor.h"

namespace mt {

enum class ProductType : std::uint8_t { f32, bf16, int8 };

// What happens to a product on its way out. add: y (float32) += product + bias; otherwise y = activation(product +
// bias).
struct Epilogue {
  enum class Activation : std::uint8_t { none, gelu, quick_gelu } activation = Activation::none;
  enum class Output : std::uint8_t { f32, bf16, add } output = Output::f32;
};

class PackedProduct {
 public:
  // Does this machine have the instructions? (f32: AVX-512; bf16: AVX512_BF16; int8: AVX512_VNNI.)
  static bool supported(ProductType type);

  // weight: [outputs, inputs] f32 as PyTorch's Linear has it; bias: [outputs] or empty. inputs must be a multiple of
  // 2 (bf16) or 4 (int8). int8 weights: one symmetric scale per output channel (largest magnitude / 127).
  PackedProduct(ProductType type, const Tensor& weight, std::span<const float> bias);

  ProductType type() const { return type_; }
  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }

  // x: [rows, inputs], contiguous: float, BFloat16, or (int8) bytes that hold value + 128 with row_scales [rows], as
  // quantise_rows makes them. y: rows of y_stride elements, float or BFloat16 as the epilogue says.
  // Runs on the calling thread; const and safe to call from several threads.
  void run(const void* x, const float* row_scales, std::size_t rows, Epilogue epilogue, void* y,
           std::size_t y_stride) const;

 private:
  ProductType type_;
  std::size_t inputs_ = 0, outputs_ = 0;
  Tensor packed_;       // panels of 64 outputs: [panel][input group][64] 32-bit groups
  Tensor bias_;         // [outputs, padded to 64]
  Tensor scales_;       // int8: scale of each output channel
  Tensor corrections_;  // int8: 128 * sum of each channel's quantised weights
};

// Symmetric per-row quantisation to bytes value + 128: scale = largest magnitude / 127. x: [rows, columns], columns a
// multiple of 16; q: [rows, columns]; scales: [rows]. A row of zeros gets scale 0, a row with NaN the scale NaN, so
// that it shows.
void quantise_rows(const float* x, std::size_t rows, std::size_t columns, std::uint8_t* q, float* scales);
void quantise_rows(const BFloat16* x, std::size_t rows, std::size_t columns, std::uint8_t* q, float* scales);

}  // namespace mt
