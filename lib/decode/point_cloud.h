// Point clouds and meshes as files hold them: PLY, PCD, OFF, OBJ, columns of text, NumPy arrays, KITTI scans.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

// Coordinates are float64 until they are centred: the metres of a survey's map grid need more than float32 holds.
struct PointCloud {
  std::vector<std::array<double, 3>> points;
  std::vector<std::string> columns;                     // further ones by their file's names: "red", "nx", "intensity"
  std::vector<float> attributes;                        // [points, columns]
  std::vector<std::array<std::uint32_t, 3>> triangles;  // of a mesh, as numbers of points; empty for a cloud

  std::size_t size() const { return points.size(); }
};

struct PointCloudLimits {
  std::uint64_t max_points = std::uint64_t{1} << 27;  // points, and triangles: 3 GiB of coordinates
};

// Extensions of the formats, without dot.
const std::vector<std::string_view>& point_cloud_extensions();

// By content where a format has a signature (PLY, PCD, OFF, NumPy), else by name's extension: .obj, .bin (KITTI: x, y,
// z, intensity as float32), and columns of text for whatever else is text (.xyz, .txt, .csv, .pts). Coordinates may be
// NaN or infinite, as sensors write them. Throws Error: damaged, cut, of no known format, beyond the limits.
PointCloud decode_point_cloud(std::span<const std::byte> file, std::string_view name,
                              const PointCloudLimits& limits = {});

// n points of the surface, equally likely everywhere on it (u and v of each uniform, from the seed), attributes mixed
// as the corners' shares. Throws Error when the triangles have no area.
PointCloud sample_surface(const PointCloud& mesh, std::size_t n, std::uint64_t seed, std::string_view where);

}  // namespace mt
