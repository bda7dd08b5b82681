// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type" and "Matrix Fragments for mma.m16n8k8", whose
// formulas these are; "Warp-level matrix load instruction: ldmatrix".
#include "ptx/matrix.h"

#include <bit>
#include <cstring>

#include "base/tensor.h"

namespace mt::ptx {

namespace {

struct Position {
  unsigned row, column;
};

// Where element i of a lane's part lies, two to a register of A and of B.
Position of_a(unsigned lane, unsigned i) {
  const unsigned group = lane >> 2, thread_in_group = lane % 4;
  const bool upper = i < 2 || (4 <= i && i < 6);
  return {upper ? group : group + 8, thread_in_group * 2 + (i & 1) + (i < 4 ? 0 : 8)};
}
Position of_b(unsigned lane, unsigned i) {
  const unsigned group = lane >> 2, thread_in_group = lane % 4;
  return {thread_in_group * 2 + (i & 1) + (i < 2 ? 0 : 8), group};
}
Position of_c(unsigned lane, unsigned i) {
  const unsigned group = lane >> 2, thread_in_group = lane % 4;
  return {i < 2 ? group : group + 8, thread_in_group * 2 + (i & 1)};
}

float element(const Row& row, unsigned lane, unsigned which, Numbers numbers) {
  const auto bits = static_cast<std::uint16_t>(row[lane] >> (16 * which));
  return numbers == Numbers::f16 ? to_float(static_cast<Half>(bits)) : to_float(static_cast<BFloat16>(bits));
}

}  // namespace

void multiply_matrix(unsigned depth, Numbers numbers, Row* rows, const Slot* operands) {
  const unsigned a_registers = depth / 4, b_registers = depth / 8;
  const Slot *d = operands, *a = d + 4, *b = a + a_registers, *c = b + b_registers;
  float left[16][16], right[16][8], sums[16][8];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    for (unsigned i = 0; i < 2 * a_registers; ++i) {
      const Position at = of_a(lane, i);
      left[at.row][at.column] = element(rows[a[i / 2]], lane, i % 2, numbers);
    }
    for (unsigned i = 0; i < 2 * b_registers; ++i) {
      const Position at = of_b(lane, i);
      right[at.row][at.column] = element(rows[b[i / 2]], lane, i % 2, numbers);
    }
    for (unsigned i = 0; i < 4; ++i) {
      const Position at = of_c(lane, i);
      sums[at.row][at.column] = std::bit_cast<float>(static_cast<std::uint32_t>(rows[c[i]][lane]));
    }
  }
  // Products are exact in float32. In which order a card adds them up, and how it rounds between, is not documented:
  // its sums differ from these by some roundings to float32.
  for (unsigned row = 0; row < 16; ++row) {
    for (unsigned column = 0; column < 8; ++column) {
      for (unsigned k = 0; k < depth; ++k) sums[row][column] += left[row][k] * right[k][column];
    }
  }
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      const Position at = of_c(lane, i);
      rows[d[i]][lane] = std::bit_cast<std::uint32_t>(sums[at.row][at.column]);
    }
  }
}

void load_matrix(const std::array<Line, kLanes>& lines, bool transposed, Row* rows, const Slot* operands) {
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    for (unsigned matrix = 0; matrix < 4; ++matrix) {
      std::uint16_t two[2];
      for (unsigned i = 0; i < 2; ++i) {
        // A lane's register has elements 2 (lane % 4) and the next of line lane / 4; with .trans, of that column.
        const unsigned line = transposed ? lane % 4 * 2 + i : lane / 4;
        const unsigned column = transposed ? lane / 4 : lane % 4 * 2 + i;
        std::memcpy(&two[i], &lines[8 * matrix + line][2 * column], 2);
      }
      rows[operands[matrix]][lane] = two[0] | static_cast<std::uint64_t>(two[1]) << 16;
    }
  }
}

}  // namespace mt::ptx
