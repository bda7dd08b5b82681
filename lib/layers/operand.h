// What products read: rows in the groups of a precision (see kernels.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "layers/layer_norm.h"
#include "layers/rows.h"

namespace mt {

struct OperandRows {
  const Group* groups = nullptr;
  std::size_t count = 0, stride = 0;  // rows; groups from one to the next
  const float* scales = nullptr;      // int8: of each row

  OperandRows() = default;
  // Float32 is its own operand.
  OperandRows(Rows<const float> x) : groups(reinterpret_cast<const Group*>(x.data)), count(x.count), stride(x.stride) {}
};

// Groups of `elements` elements of weights in a precision; logic_error when they do not fill whole groups.
std::size_t groups_of(std::size_t elements, Precision precision, const Kernels& kernels);
// The type of the left operand of such weights: float32 for bfloat16 ones where the kernels widen them.
Precision left_precision(Precision precision, const Kernels& kernels);

// Makes operands in a buffer of its own, valid until the next one is made. One per thread.
class Operand {
 public:
  Operand(const Kernels& kernels, Precision precision)
      : kernels_(&kernels), precision_(left_precision(precision, kernels)) {}

  // Of what a layer wrote: as it is where the type fits, else quantised row by row.
  OperandRows of(AnyRows x);
  // Of float32 rows, in the type that is read.
  OperandRows of_floats(Rows<const float> x);
  // Of norm(x).
  OperandRows of_normed(const LayerNorm& norm, Rows<const float> x);

 private:
  void store_row(const void* row, bool narrow, std::size_t i, std::size_t width);
  OperandRows reserve(std::size_t rows, std::size_t width);

  const Kernels* kernels_;
  Precision precision_;
  std::size_t stride_ = 0;
  Aligned<std::uint32_t> groups_;
  Aligned<float> scales_, row_;
};

}  // namespace mt
