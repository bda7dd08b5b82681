#include "decode/point_cloud.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "decode/point_cloud_formats.h"
#include "decode/stored_array.h"
#include "store/npy.h"

namespace mt {

namespace {

constexpr std::size_t kKittiBytes = 16;  // x, y, z, intensity

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// ASCII, with the white space that text has.
bool looks_like_text(std::string_view head) {
  return std::ranges::all_of(head, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte < 0x7f) || (byte >= '\t' && byte <= '\r') || byte >= 0x80;
  });
}

bool starts_like_pcd(std::string_view text) {
  return text.starts_with("# .PCD") || text.starts_with("VERSION") || text.starts_with("FIELDS") ||
         text.starts_with("COLUMNS");
}

// "OFF", "COFF", "STNOFF"... behind white space and comments.
bool starts_like_off(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return false;
  const std::size_t off = text.substr(begin, 8).find("OFF");
  return off != std::string_view::npos && text.substr(begin, off).find_first_not_of("STCN4n") == std::string_view::npos;
}

double area_of(const PointCloud& mesh, const std::array<std::uint32_t, 3>& corners) {
  const auto &a = mesh.points[corners[0]], &b = mesh.points[corners[1]], &c = mesh.points[corners[2]];
  std::array<double, 3> u{}, v{};
  for (std::size_t i = 0; i < 3; ++i) {
    u[i] = b[i] - a[i];
    v[i] = c[i] - a[i];
  }
  return std::hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]) / 2;
}

}  // namespace

const std::vector<std::string_view>& point_cloud_extensions() {
  static const std::vector<std::string_view> all = {"ply", "pcd", "off", "obj", "xyz", "txt",  "csv",
                                                    "pts", "asc", "npy", "npz", "h5",  "hdf5", "bin"};
  return all;
}

void require_count(std::uint64_t count, std::uint64_t least_bytes_each, std::uint64_t bytes_left, std::uint64_t most,
                   const std::string& where, std::string_view what) {
  if (count > most) throw Error(where, fmt::format("declares {} {}, at most {} are read", count, what, most));
  if (least_bytes_each > 0 && count > bytes_left / least_bytes_each) {
    throw Error(where, fmt::format("declares {} {}, but only {} bytes follow", count, what, bytes_left));
  }
}

ColumnPlaces place_columns(const std::vector<std::string>& names, const std::string& where) {
  constexpr std::size_t kMissing = std::numeric_limits<std::size_t>::max();
  ColumnPlaces places{{kMissing, kMissing, kMissing}, {}};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string name = lower_ascii(names[i]);
    const std::size_t axis = name.size() == 1 ? static_cast<std::size_t>(name[0]) - 'x' : 3;
    if (axis < 3 && places.axes[axis] == kMissing)
      places.axes[axis] = i;
    else
      places.others.push_back(i);
  }
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (places.axes[axis] == kMissing) {
      throw Error(where, fmt::format("has no column \"{}\" among {}", "xyz"[axis], listed(names)));
    }
  }
  return places;
}

void add_polygon(PointCloud& cloud, std::span<const std::uint64_t> corners, const std::string& where,
                 const PointCloudLimits& limits) {
  for (const std::uint64_t corner : corners) {
    if (corner >= cloud.size()) {
      throw Error(where, fmt::format("names the corner {}, there are {} (counted from 0)", corner, cloud.size()));
    }
  }
  for (std::size_t i = 2; i < corners.size(); ++i) {
    if (cloud.triangles.size() >= limits.max_points) {
      throw Error(where, fmt::format("has more than {} triangles", limits.max_points));
    }
    cloud.triangles.push_back({static_cast<std::uint32_t>(corners[0]), static_cast<std::uint32_t>(corners[i - 1]),
                               static_cast<std::uint32_t>(corners[i])});
  }
}

PointCloud cloud_of_array(const Tensor& array, const std::string& where, const PointCloudLimits& limits) {
  if (array.shape().size() != 2 || array.columns() < 3) {
    throw Error(where, fmt::format("has the shape {}, expected [points, 3 or more columns]", to_string(array.shape())));
  }
  require_count(array.rows(), 0, 0, limits.max_points, where, "points");
  const Tensor numbers = array.to(DType::f64);
  PointCloud cloud;
  const std::size_t others = array.columns() - 3;
  for (std::size_t i = 0; i < others; ++i) cloud.columns.push_back(fmt::format("column{}", i + 4));
  cloud.points.reserve(array.rows());
  cloud.attributes.reserve(array.rows() * others);
  for (std::size_t i = 0; i < array.rows(); ++i) {
    const auto row = numbers.row<double>(i);
    cloud.points.push_back({row[0], row[1], row[2]});
    for (const double value : row.subspan(3)) cloud.attributes.push_back(static_cast<float>(value));
  }
  return cloud;
}

PointCloud decode_kitti(std::span<const std::byte> file, const std::string& where, const PointCloudLimits& limits) {
  if (file.size() % kKittiBytes != 0) {
    throw Error(where, fmt::format("is {} bytes long, not a whole number of points of {} (x, y, z, intensity)",
                                   file.size(), kKittiBytes));
  }
  require_count(file.size() / kKittiBytes, 0, 0, limits.max_points, where, "points");
  Tensor array(DType::f32, {file.size() / kKittiBytes, 4});
  if (!file.empty()) std::memcpy(array.mutable_data(), file.data(), file.size());
  PointCloud cloud = cloud_of_array(array, where, limits);
  cloud.columns = {"intensity"};
  return cloud;
}

PointCloud decode_point_cloud(std::span<const std::byte> file, std::string_view name, const PointCloudLimits& limits) {
  const std::string where(name);
  const std::string_view text = text_of(file), head = text.substr(0, 4096);
  const std::string extension = lower_ascii(std::filesystem::path(where).extension().string());
  if (file.empty()) throw Error(where, "is empty");
  if (head.starts_with("ply\n") || head.starts_with("ply\r")) return decode_ply(text, where, limits);
  if (starts_like_pcd(head)) return decode_pcd(text, where, limits);
  if (array_format(file) == ArrayFormat::npy) return cloud_of_array(read_npy(file, where), where, limits);
  if (starts_like_off(head)) return decode_off(text, where, limits);
  if (extension == ".obj") return decode_obj(text, where, limits);
  if (extension == ".bin") return decode_kitti(file, where, limits);
  if (extension == ".stl" || !looks_like_text(head)) {
    throw Error(where, "is of no known format for point clouds",
                "PLY, PCD, OFF, OBJ, XYZ, CSV, PTS, NPY, NPZ, HDF5 and KITTI .bin are read");
  }
  return decode_point_columns(text, where, limits);
}

PointCloud sample_surface(const PointCloud& mesh, std::size_t n, std::uint64_t seed, std::string_view where) {
  std::vector<double> up_to;  // area of the triangles up to each
  up_to.reserve(mesh.triangles.size());
  double total = 0;
  for (const auto& corners : mesh.triangles) up_to.push_back(total += area_of(mesh, corners));
  if (!(total > 0) || !std::isfinite(total)) {
    throw Error(where, fmt::format("its {} triangles have no area", mesh.triangles.size()),
                "--mesh vertices takes their corners");
  }
  Random random(seed, stream_of("surface"));
  PointCloud sample;
  sample.columns = mesh.columns;
  sample.points.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto at = std::upper_bound(up_to.begin(), up_to.end(), random.uniform() * total);
    const auto& corners =
        mesh.triangles[std::min<std::size_t>(static_cast<std::size_t>(at - up_to.begin()), mesh.triangles.size() - 1)];
    // Osada et al., "Shape distributions", ACM TOG 2002, section 4.2.
    const double root = std::sqrt(random.uniform()), along = random.uniform();
    const double share[3] = {1 - root, root * (1 - along), root * along};
    auto& point = sample.points.emplace_back();
    for (std::size_t corner = 0; corner < 3; ++corner) {
      for (std::size_t axis = 0; axis < 3; ++axis) point[axis] += share[corner] * mesh.points[corners[corner]][axis];
    }
    for (std::size_t c = 0; c < mesh.columns.size(); ++c) {
      double value = 0;
      for (std::size_t k = 0; k < 3; ++k) value += share[k] * mesh.attributes[corners[k] * mesh.columns.size() + c];
      sample.attributes.push_back(static_cast<float>(value));
    }
  }
  return sample;
}

}  // namespace mt
