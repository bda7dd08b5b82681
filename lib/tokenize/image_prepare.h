// From a decoded picture to the pixels that a model sees: upright, windowed, resized, cropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "decode/image.h"
#include "tokenize/image_window.h"
#include "tokenize/resize.h"

namespace mt {

enum class ResizeMode : std::uint8_t {
  shortest,  // the shorter side fits, the middle of the longer one is kept (CLIP's way)
  stretch,   // both sides fit, the aspect ratio is lost
  pad,       // the longer side fits, the rest is black
};
std::string_view name_of(ResizeMode mode);
ResizeMode resize_mode_named(std::string_view name);  // throws UsageError

// Where a picture goes: resized whole, then the rectangle of the target's size at (top, left); outside of it is black.
struct Placement {
  Size resized;
  std::ptrdiff_t top = 0, left = 0;
};
// The sizes of torchvision's Resize and CenterCrop (long side truncated), of open_clip for targets that are not square
// (rounded to even), and of its "longest" mode for pad.
Placement placement_of(Size source, Size target, ResizeMode mode);

struct ImagePreparation {
  Size size{224, 224};
  ResizeMode mode = ResizeMode::shortest;
  Filter filter = Filter::bicubic;
  Window window{Window::Kind::none, 0, 0};
  bool upright = true;  // apply the EXIF orientation
  bool grey = false;    // one channel: colours become 0.299 R + 0.587 G + 0.114 B
};

struct PreparedImage {
  Tensor pixels;  // [height, width, 1 or 3]: u8, or f32 in 0..255
  // Position (row, column) of the prepared picture lies at origin + scale * (row, column) of the upright source
  // picture.
  double row_origin = 0, column_origin = 0, row_scale = 1, column_scale = 1;
};

// Alpha weighs the pixels while they are resized and is dropped then, as Pillow does. Throws Error as windowed() does.
PreparedImage prepare_image(Image image, const ImagePreparation& preparation);

}  // namespace mt
