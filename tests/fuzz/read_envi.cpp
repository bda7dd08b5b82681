// Any header gives an Error, or a layout whose last number lies where its size says. Seeds:
// tests/golden/spectral/*.hdr.
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "decode/spectral/envi_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const mt::EnviHeader header = mt::parse_envi_header({reinterpret_cast<const char*>(data), size}, "fuzz");
    const mt::CubeLayout& layout = header.layout;
    const std::size_t count = mt::element_count({layout.size.rows, layout.size.columns, layout.bands});
    const std::size_t last = (layout.size.rows - 1) * layout.row_stride +
                             (layout.size.columns - 1) * layout.column_stride + (layout.bands - 1) * layout.band_stride;
    if (last != count - 1) std::abort();
    const std::vector<std::byte> numbers(std::size_t{1} << 16);
    mt::strided_cube(layout, numbers, nullptr, "fuzz")->read_rows(0, layout.size.rows);
  } catch (const mt::Error&) {  // refused, or larger than the numbers at hand
  }
  return 0;
}
