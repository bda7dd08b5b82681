// What a warp does with matrices whose elements are spread over its lanes.
#pragma once

#include <array>
#include <cstddef>

#include "ptx/program.h"

namespace mt::ptx {

// mma.sync.m16n8k<depth>: D = A B + C, A: [16, depth], B: [depth, 8] of 16 bits, C and D: [16, 8] float32. operands:
// the registers of D, A, B and C.
void multiply_matrix(unsigned depth, Numbers numbers, Row* rows, const Slot* operands);

// ldmatrix.m8n8.x4.b16: four matrices [8, 8] of 16 bits, of which matrix i has the lines that lanes 8 i to 8 i + 7
// point at. operands: the register of each.
using Line = std::array<std::byte, 16>;
void load_matrix(const std::array<Line, kLanes>& lines, bool transposed, Row* rows, const Slot* operands);

}  // namespace mt::ptx
