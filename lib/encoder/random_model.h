// Seeded random models, for trials without a checkpoint.
#pragma once

#include <cstdint>
#include <string>

#include "store/model.h"

namespace mt {

// size: "tiny" (6 blocks of 192, 3 heads), "small" (12 of 384, 6), "b16" (12 of 768, 12) or "l14" (24 of 1024, 16). An
// encoder and an image tokenizer for 224 x 224 pixels. The same bytes for the same size and seed on every machine.
// Throws Error naming the sizes that exist.
Model random_model(const std::string& size, std::uint64_t seed);

}  // namespace mt
