#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "decode/line_scanner.h"
#include "decode/point_cloud_formats.h"

namespace mt {

// [ST][C][N]OFF; counts of vertices, faces and edges; a line a vertex (x, y, z, then normal, colour, texture), a line a
// face (how many corners, their numbers, a colour). ModelNet has files whose counts follow "OFF" without a space.
PointCloud decode_off(std::string_view file, const std::string& where, const PointCloudLimits& limits) {
  const std::size_t name = file.find("OFF");
  const std::string_view prefix = file.substr(0, name);
  const bool normals = prefix.find('N') != prefix.npos, colours = prefix.find('C') != prefix.npos;
  if (prefix.find('4') != prefix.npos || prefix.find('n') != prefix.npos) {
    throw Error(where, "is OFF of another number of dimensions than three");
  }
  LineScanner lines(file.substr(name + 3), where);
  if (!lines.next_line()) throw Error(where, "ends behind the word OFF");
  if (const auto word = lines.word(); word == "BINARY") throw Error(where, "is binary OFF", "save it as text");
  lines.restart();
  const std::uint64_t vertices = lines.count(), faces = lines.count();
  // "0 0 0\n" and "0\n": the last line may lack its end.
  require_count(vertices, 6, lines.bytes_left() + 1, limits.max_points, where, "vertices");
  require_count(faces, 2, lines.bytes_left() + 1, limits.max_points, where, "faces");

  PointCloud cloud;
  if (normals) cloud.columns.insert(cloud.columns.end(), {"nx", "ny", "nz"});
  if (colours) cloud.columns.insert(cloud.columns.end(), {"red", "green", "blue"});
  cloud.points.reserve(vertices);
  for (std::uint64_t i = 0; i < vertices; ++i) {
    if (!lines.next_line()) throw Error(where, fmt::format("ends after {} of {} vertices", i, vertices));
    auto& point = cloud.points.emplace_back();
    for (double& value : point) value = lines.number();
    for (std::size_t c = 0; c < cloud.columns.size(); ++c) {
      cloud.attributes.push_back(static_cast<float>(lines.number()));
    }
  }
  std::vector<std::uint64_t> corners;
  for (std::uint64_t i = 0; i < faces; ++i) {
    if (!lines.next_line()) throw Error(where, fmt::format("ends after {} of {} faces", i, faces));
    const std::uint64_t count = lines.count();
    corners.clear();
    for (std::uint64_t k = 0; k < count; ++k) corners.push_back(lines.count());  // stops at the line's end
    add_polygon(cloud, corners, lines.where(), limits);
  }
  return cloud;
}

}  // namespace mt
