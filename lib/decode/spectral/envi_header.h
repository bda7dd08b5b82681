// ENVI's header: the text file beside the raw numbers of a scene (NV5 Geospatial, "ENVI Header Files").
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "decode/spectral/spectral_cube.h"

namespace mt {

struct EnviHeader {
  CubeLayout layout;       // strides by interleave: bsq, bil, bip
  std::size_t offset = 0;  // bytes before the first number
  std::vector<std::string> class_names;
};
// Throws Error: not ENVI, a size, type or interleave that is missing or unknown, complex numbers, sizes that overflow.
EnviHeader parse_envi_header(std::string_view text, std::string_view where);

}  // namespace mt
