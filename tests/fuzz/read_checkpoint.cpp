// Any file gives an Error, or tensors whose bytes are all there. Seeds: tests/golden/checkpoints.
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "base/error.h"
#include "store/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string name = "/dev/shm/mt-fuzz-checkpoint-" + std::to_string(getpid());
  std::ofstream(name, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    const mt::Checkpoint checkpoint = mt::read_checkpoint(name);
    unsigned sum = 0;
    for (const auto& [key, tensor] : checkpoint.tensors) {
      for (const std::byte b : tensor.bytes()) sum += std::to_integer<unsigned>(b);
    }
    if (sum == 1) return 0;     // every byte was looked at
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
