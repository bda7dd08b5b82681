// Any bytes give an Error or frames within the limits, from whatever FFmpeg's libraries take them for. Seeds:
// tests/reference/make_fuzz_seeds.py. They log to nobody here, and read nothing but these bytes.
#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "decode/video.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  mt::VideoLimits limits;
  limits.frame.max_pixels = std::uint64_t{1} << 14;
  limits.max_frames = 16;
  limits.salvage = size % 2 == 1;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const auto video = mt::formats::open_ffmpeg(mt::formats::memory_source(bytes), "fuzz", limits, nullptr);
    const auto times = video->times();
    if (times->starts.empty() || times->starts.size() > limits.max_frames) std::abort();
    if (!std::is_sorted(times->starts.begin(), times->starts.end())) std::abort();
    for (std::size_t i = 0; i < std::min<std::size_t>(times->starts.size(), 4); ++i) {
      const mt::Image image = video->frame(i);
      if (image.height() * image.width() > limits.frame.max_pixels || image.channels() != 3) std::abort();
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
