// Windowing: which pixel values become black and which white. 16-bit and floating-point pictures need it, because their
// interesting values fill only a part of their range.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "decode/image.h"

namespace mt {

struct Window {
  enum class Kind : std::uint8_t {
    automatic,   // 8 bit: none; else the file's DICOM window, else percentiles 0.5 and 99.5
    none,        // 16 bit divided by 257; floating point must lie in 0..1
    dicom,       // the file's own, an error where it has none
    range,       // from low to high, in the units of the pixels
    percentile,  // from the picture's own percentile low to its percentile high
  };
  Kind kind = Kind::automatic;
  double low = 0, high = 0;
};

Window window_named(
    std::string_view text);  // "auto", "none", "dicom", "LOW,HIGH", "percentile:LOW,HIGH"; throws UsageError
std::string name_of(const Window& window);  // the reverse

// Percentile (0..100) of all values of a picture, interpolated between neighbours as numpy.percentile does.
// low and high at once. Throws Error when a value is NaN or infinite.
std::pair<double, double> percentiles(const Tensor& pixels, double low, double high);

// The colours of a picture (1 or 3 channels, no alpha) as grey levels 0..255: u8 as they are when no window applies to
// them, else f32 [height, width, channels], linear between the window's ends and clamped. A window without extent (a
// picture of one value) gives 0. Throws Error: no window in the file, values outside 0..1 without a window, NaN or
// infinite values.
Tensor windowed(const Image& image, const Window& window);

}  // namespace mt
