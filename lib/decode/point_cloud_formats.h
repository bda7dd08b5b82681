// One function a format; all throw Error as decode_point_cloud does. Internal to decode/point_cloud.cpp.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"
#include "decode/point_cloud.h"

namespace mt {

PointCloud decode_ply(std::string_view file, const std::string& where, const PointCloudLimits& limits);
PointCloud decode_pcd(std::string_view file, const std::string& where, const PointCloudLimits& limits);
PointCloud decode_off(std::string_view file, const std::string& where, const PointCloudLimits& limits);
PointCloud decode_obj(std::string_view file, const std::string& where, const PointCloudLimits& limits);
// Columns separated by white space, commas or semicolons, the first three x, y, z; as many on every line. A first line
// that is no numbers names the columns; one that is a single number (.pts) says how many points follow.
PointCloud decode_point_columns(std::string_view file, const std::string& where, const PointCloudLimits& limits);
PointCloud decode_kitti(std::span<const std::byte> file, const std::string& where, const PointCloudLimits& limits);
// An array [points, columns >= 3] of numbers.
PointCloud cloud_of_array(const Tensor& array, const std::string& where, const PointCloudLimits& limits);

// Where x, y and z are among columns of these names (any case), the others in order. Throws Error when one is missing.
struct ColumnPlaces {
  std::size_t axes[3];
  std::vector<std::size_t> others;
};
ColumnPlaces place_columns(const std::vector<std::string>& names, const std::string& where);

// Throws Error when a count that a file declares is beyond the limit, or more than its bytes can hold.
void require_count(std::uint64_t count, std::uint64_t least_bytes_each, std::uint64_t bytes_left, std::uint64_t most,
                   const std::string& where, std::string_view what);

// A polygon as a fan of triangles.
void add_polygon(PointCloud& cloud, std::span<const std::uint64_t> corners, const std::string& where,
                 const PointCloudLimits& limits);

}  // namespace mt
