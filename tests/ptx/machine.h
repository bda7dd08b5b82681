// Runs a kernel's PTX as a card would, a warp at a time, and finds fault with what a card would let pass.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/cuda/instances.h"
#include "ptx/memory.h"
#include "ptx/program.h"

namespace mt::ptx {

// The whole grid, block after block. parameters: the bytes of the kernel's only argument. Throws Fault for what is
// wrong with memory (ptx/memory.h), for trap, for copies that nobody waits for, for a launch that the kernel is not
// made for, and where lanes or warps that must do something together are not all there. Returns which instructions any
// lane has executed.
std::vector<bool> run(const Entry& entry, const cuda::Grid& grid, std::span<const std::byte> parameters,
                      GlobalMemory& memory);

}  // namespace mt::ptx
