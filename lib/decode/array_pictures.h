// Pictures in arrays: what the dimensions mean, and one picture out of many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/digest.h"
#include "decode/image.h"
#include "decode/stored_array.h"

namespace mt {

// What the dimensions of an array of pictures mean. An array does not say, so this is a convention:
//   [H, W]        one grey picture
//   [H, W, C]     one picture, when C is 1, 3 or 4
//   [N, H, W]     grey pictures, otherwise
//   [N, H, W, C]  when the last dimension is 1 to 4
//   [N, C, H, W]  when it is not, and the second one is
struct PictureLayout {
  std::size_t pictures = 0, height = 0, width = 0, channels = 1;
  bool single = false;  // the array is one picture, without a dimension for their number
  bool channels_first = false;
};
PictureLayout picture_layout(const Shape& shape, const std::string& where);  // throws Error: none of these

// The pictures of an array: 8-bit and 16-bit unsigned integers as they are, truth values as 0 and 255, all other
// numbers as float32. Callable from several threads at once.
class ArrayPictures {
 public:
  // Throws Error: text, dimensions that are none of the above, pictures beyond the limits.
  ArrayPictures(StoredArray array, const ImageLimits& limits);

  std::size_t size() const { return layout_.pictures; }
  bool single() const { return layout_.single; }
  Image image(std::size_t i) const;  // throws Error: a NaN or infinity

 private:
  StoredArray array_;
  PictureLayout layout_;
};

// Of the pixels with their shape and type.
Digest digest_of(const Image& image);

}  // namespace mt
