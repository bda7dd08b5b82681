// Any NPY or NPZ file gives an Error, or clouds of rows; a file of one cloud is none of these. Seeds:
// tests/golden/arrays.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/error.h"
#include "decode/point_cloud_arrays.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string stem = "/dev/shm/mt-fuzz-clouds-" + std::to_string(getpid());
  const std::string name = stem + (size > 0 && data[0] == 'P' ? ".npz" : ".npy");
  std::ofstream(name, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    const auto clouds = mt::open_cloud_array(name, "", "");
    for (std::size_t i = 0; clouds && i < std::min<std::size_t>(clouds->samples(), 4); ++i) clouds->cloud(i);
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
