// General matrix products where both operands change from call to call (training, distances). Products with constant
// weights are faster packed: kernels/matmul.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mt {

enum class OperandForm : std::uint8_t { plain, transposed };

// A row-major matrix in memory: rows of leading elements each, of which the product's sizes say how many are used.
struct GemmOperand {
  const float* data;
  std::size_t leading;
  OperandForm form = OperandForm::plain;
};

// c = a * b, or c += a * b with accumulate; c: [m, n], op(a): [m, k], op(b): [k, n] (a transposed operand is stored the
// other way round). On the calling thread alone: callers cut fixed tiles and give each to a worker, so that the same
// tile meets the same instructions whatever the number of threads. Throws Error when oneDNN refuses.
void gemm(std::size_t m, std::size_t n, std::size_t k, const GemmOperand& a, const GemmOperand& b, float* c,
          std::size_t c_leading, bool accumulate = false);

}  // namespace mt
