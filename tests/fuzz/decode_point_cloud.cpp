// Any bytes give an Error or a cloud whose parts belong together. The first byte chooses the extension, for the formats
// without a signature. Seeds: files of any format behind one byte.
#include <cstdlib>

#include "base/error.h"
#include "decode/point_cloud.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static constexpr const char* kNames[] = {"a.xyz", "a.obj", "a.bin", "a.off"};
  mt::PointCloudLimits limits;
  limits.max_points = 1 << 16;
  try {
    const mt::PointCloud cloud =
        mt::decode_point_cloud({reinterpret_cast<const std::byte*>(data + 1), size - 1}, kNames[data[0] % 4], limits);
    if (cloud.size() > limits.max_points || cloud.triangles.size() > limits.max_points) std::abort();
    if (cloud.attributes.size() != cloud.size() * cloud.columns.size()) std::abort();
    for (const auto& corners : cloud.triangles) {
      for (const std::uint32_t corner : corners) {
        if (corner >= cloud.size()) std::abort();
      }
    }
    if (!cloud.triangles.empty() && mt::sample_surface(cloud, 3, size, "fuzz").size() != 3) std::abort();
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
