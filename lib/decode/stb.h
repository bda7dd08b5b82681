// The one door to stb_image, which is compiled for BMP and TGA only. Its author promises nothing for hostile files:
// callers have walked the file before, so that it is whole and holds no surprise.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "decode/image.h"

namespace mt::formats {

Image decode_with_stb(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);

}  // namespace mt::formats
