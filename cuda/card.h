// One of NVIDIA's cards: its memory and its queues.
#pragma once

#include <cstddef>
#include <memory>

#include "encoder/cuda/device.h"

namespace mt::cuda {

// Opens the card of this index, which exists. Throws Error: it is too old, taken, full or lost, or this build has no
// code for it.
std::unique_ptr<Card> open_card(std::size_t index, const CardProperties& properties);

}  // namespace mt::cuda
