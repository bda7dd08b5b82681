// The library that drives NVIDIA's cards, libmt-cuda.so beside libmt. It is opened when it is asked for, so that
// programs start where neither CUDA nor a card is.
#pragma once

#include <optional>
#include <string>

#include "encoder/cuda/device.h"

namespace mt::cuda {

// True when this build has it.
bool was_built();

// Opens the library, once a process. Throws Error: not built, not found, or one of CUDA's own libraries is missing.
Driver& driver();

// What --devices says, one line a device: the CPU's kernels, then each card, or why there is none. Never throws for
// want of a card.
std::string devices_text();

}  // namespace mt::cuda
