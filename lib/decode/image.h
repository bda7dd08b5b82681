// A decoded picture, as its file holds it: nothing resized, nothing normalised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/tensor.h"

namespace mt {

struct Image {
  Tensor pixels;  // [height, width, channels]: u8 or u16 (full range of the type), or f32 (32-bit TIFF, rescaled DICOM,
                  // float arrays). channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha (not premultiplied)
  int orientation = 1;                                // EXIF 1..8, not yet applied
  std::optional<double> window_center, window_width;  // of a DICOM file, in the units of pixels
  std::size_t height() const { return pixels.shape()[0]; }
  std::size_t width() const { return pixels.shape()[1]; }
  std::size_t channels() const { return pixels.shape()[2]; }
};

struct ImageLimits {
  std::uint64_t max_pixels = std::uint64_t{1} << 28;  // 268 megapixels: beyond that a picture is taken for a bomb
  std::size_t reduce_to = 0;  // > 0: JPEG may be decoded at 1/2, 1/4, 1/8 while both sides stay >= this
};

// Any of the formats below, recognised by content. name appears in errors only. Throws Error: unknown, damaged,
// truncated, too large, a format whose library this build lacks. Safe on hostile bytes; callable from several threads
// at once. JPEG (baseline, progressive, grey, CMYK/YCCK converted to RGB), PNG (1..16 bit, palette, grey, alpha,
// interlaced), BMP, PNM (P2..P6), TGA, first frame of GIF, TIFF (8/16/32 bit, strips, tiles), WebP, DICOM.
Image decode_image(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits = {});

// Turned upright by its EXIF orientation.
Image oriented(Image image);

}  // namespace mt
