// Any file that looks like IDX (plain or gzip), NPY or NPZ gives an Error, or arrays whose rows are as large as their
// shape says; as pictures, pictures. Seeds: tests/golden/arrays.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/error.h"
#include "decode/array_pictures.h"
#include "decode/stored_array.h"

namespace {

const std::string& fuzz_file() {
  static const std::string name = "/dev/shm/mt-fuzz-arrays-" + std::to_string(getpid());
  return name;
}

void use(const mt::StoredArray& array) {
  mt::Shape row = array.header.shape;
  if (!row.empty()) row.erase(row.begin());
  if (array.header.is_text()) return;
  for (std::size_t i = 0; i < std::min<std::size_t>(array.rows(), 4); ++i) {
    if (array.row(i).size() != mt::element_count(row)) std::abort();
  }
  mt::ImageLimits limits;
  limits.max_pixels = std::uint64_t{1} << 18;
  const mt::ArrayPictures pictures(array, limits);
  for (std::size_t i = 0; i < std::min<std::size_t>(pictures.size(), 2); ++i) {
    const mt::Image image = pictures.image(i);
    if (image.height() * image.width() > limits.max_pixels) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::ofstream(fuzz_file(), std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const mt::ArrayStorage storage{std::uint64_t{1} << 12, "/dev/shm"};
  try {
    switch (mt::array_format(fuzz_file())) {
      case mt::ArrayFormat::none:
        break;
      case mt::ArrayFormat::idx:
        use(mt::open_idx(fuzz_file(), storage));
        break;
      case mt::ArrayFormat::npy:
        use(mt::open_npy(fuzz_file()));
        break;
      case mt::ArrayFormat::npz:
        for (const mt::NpzMember& member : mt::list_npz(fuzz_file())) {
          try {
            use(mt::open_npz(fuzz_file(), member.name, storage));
          } catch (const mt::Error&) {  // this one is refused
          }
        }
        break;
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
