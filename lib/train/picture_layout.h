// What a file of pictures' patches says of how they were cut.
#pragma once

#include <cstddef>
#include <utility>

#include "store/schema.h"
#include "tokenize/image_patches.h"
#include "tokenize/resize.h"

namespace mt {

struct PictureLayout {
  std::size_t patch = 0, channels = 0;
  Size stored;                  // of the pictures in the file
  Size size;                    // at which they are learned: smaller where a file has larger ones in store for crops
  Normalization normalization;  // of each channel
};

// Where a value of a picture lies among its patches of this side, so many beside each other: which patch, and which of
// its numbers (as cut_patches lays them out).
struct PatchPlaces {
  std::size_t side, columns;

  std::pair<std::size_t, std::size_t> operator()(std::size_t channel, std::size_t y, std::size_t x) const {
    return {y / side * columns + x / side, (channel * side + y % side) * side + x % side};
  }
};

// Throws Error when the file does not say it, or contradicts itself.
PictureLayout picture_layout_of(const Schema& patches);

}  // namespace mt
