// Any bytes give an Error or frames within the limits, from Y4M and GIF. Seeds: tests/golden/video,
// tests/reference/make_fuzz_seeds.py.
#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "decode/video.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  mt::VideoLimits limits;
  limits.frame.max_pixels = std::uint64_t{1} << 14;
  limits.max_frames = 16;
  limits.salvage = size % 2 == 1;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const bool gif = data[0] == 'G';
  try {
    const auto video = gif ? mt::formats::open_gif(mt::formats::memory_source(bytes), "fuzz", limits)
                           : mt::formats::open_y4m(mt::formats::memory_source(bytes), "fuzz", limits);
    const auto times = video->times();
    for (std::size_t i = 0; i < std::min<std::size_t>(times->starts.size(), 4); ++i) {
      const mt::Image image = video->frame(i);
      if (image.height() * image.width() > limits.frame.max_pixels || image.channels() != 3) std::abort();
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
