// Any bytes give an Error, or arrays that are as large as their shapes say. Seeds: tests/golden/spectral.
#include <cstdlib>

#include "base/error.h"
#include "decode/spectral/matlab_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 22;
  try {
    const mt::MatlabFile file({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
    for (const mt::MatlabVariable& variable : file.variables()) {
      try {
        const mt::MatlabArray array = file.read(variable.name, kLimit);
        if (array.elements.size() != mt::element_count(array.shape) * array.item_bytes) std::abort();
        if (array.elements.size() > kLimit + size) std::abort();
        unsigned sum = 0;
        for (const std::byte b : array.elements) sum += std::to_integer<unsigned>(b);
        if (sum == 1) continue;     // every byte was looked at
      } catch (const mt::Error&) {  // this one is refused
      }
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
