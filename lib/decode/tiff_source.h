// TIFF from memory, with libtiff's messages caught instead of printed. Internal to decode/tiff.cpp.
#pragma once

#include <tiffio.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace mt::formats {

// libtiff's view of the bytes, and what it said about them.
struct TiffSource {
  std::span<const std::byte> bytes;
  std::uint64_t at = 0;
  bool reading_pixels = false;  // from then on a warning too means that pixels are wrong
  std::string message = {};

  void say(bool warning, const char* format, va_list arguments);
};

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using TiffHandle = std::unique_ptr<TIFF, CloseTiff>;

// nullptr when the first directory cannot be read; source.message then says why. source must outlive the handle.
TiffHandle open_tiff(TiffSource& source);

}  // namespace mt::formats
