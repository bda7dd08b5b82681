// Any bytes give an Error or finite samples, no more than asked for. Seeds: tests/reference/make_fuzz_seeds.py.
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "decode/audio_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    mt::AudioFile file({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
    const auto samples = file.read(static_cast<std::int64_t>(size % 7), 1 << 14, size % 3);
    if (samples.size() > (1 << 14)) std::abort();
    for (const float sample : samples) {
      if (!std::isfinite(sample)) std::abort();
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
