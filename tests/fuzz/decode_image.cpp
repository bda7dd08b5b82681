// Any bytes give an Error or a picture within the limits. Seeds: tests/golden/images.
#include <cstdlib>

#include "base/error.h"
#include "decode/image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  mt::ImageLimits limits;
  limits.max_pixels = std::uint64_t{1} << 20;
  limits.reduce_to = size % 3 * 8;
  try {
    const mt::Image image =
        mt::oriented(mt::decode_image({reinterpret_cast<const std::byte*>(data), size}, "fuzz", limits));
    if (image.height() == 0 || image.width() == 0 || image.height() * image.width() > limits.max_pixels) std::abort();
    if (image.channels() == 0 || image.channels() > 4) std::abort();
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
