// Any bytes give an Error or exactly the bytes that the first two declare.
#include <cstdlib>

#include "base/error.h"
#include "decode/lzf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint64_t declared = data[0] + 256U * data[1];
  try {
    if (mt::lzf_unpacked({reinterpret_cast<const std::byte*>(data + 2), size - 2}, declared, "fuzz").size() !=
        declared) {
      std::abort();
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
