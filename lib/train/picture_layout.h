// What a file of pictures' patches says of how they were cut.
#pragma once

#include <cstddef>

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

// Throws Error when the file does not say it, or contradicts itself.
PictureLayout picture_layout_of(const Schema& patches);

}  // namespace mt
