// Dropout: zeroes elements with a probability while training and scales the others up, so that scoring needs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mt {

// Which elements are dropped depends on (seed, step, layer, row, column) alone: backward draws the same mask again.
struct Dropout {
  double probability = 0;  // [0, 1)
  std::uint64_t seed = 0, step = 0, layer = 0;

  // values: [columns], one row, in place. Both directions are the same product with the mask, so one function does:
  // forward on x, backward on dy.
  void apply(std::span<float> values, std::size_t row) const;
};

}  // namespace mt
