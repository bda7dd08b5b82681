// Any bytes give an Error or an array that is as large as its shape says. Seeds: tests/golden/arrays.
#include <cstdlib>

#include "base/error.h"
#include "store/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const mt::Tensor tensor = mt::read_npy(bytes, "fuzz");
    if (tensor.size() > size) std::abort();
  } catch (const mt::Error&) {  // refused
  }
  try {
    mt::read_npy_text(bytes, "fuzz");
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
