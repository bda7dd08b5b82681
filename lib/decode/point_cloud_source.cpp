#include "decode/point_cloud_source.h"

#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "decode/point_cloud_arrays.h"
#include "decode/point_cloud_formats.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

SampleList::Kind kind_of(const PointCloudSourceOptions& options) {
  return {point_cloud_extensions(), "point clouds",
          [array = options.array, labels = options.label_array](const std::string& path) {
            return open_cloud_array(path, array, labels);
          }};
}

std::vector<std::byte> read_cloud_file(const std::string& path, std::uint64_t limit) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status)) {
    throw Error(path, "is not a regular file");  // a pipe or a device could keep us waiting for ever
  }
  return read_file(path, limit);
}

Digest digest_of(const Tensor& cloud) {
  return Sha256().update(to_string(cloud.shape())).update(name_of(cloud.dtype())).update(cloud.bytes()).finish();
}

Tensor row_of(const SampleList::Place& place) {
  return dynamic_cast<const CloudArray&>(*place.container).cloud(place.row);
}

}  // namespace

PointCloudSource::PointCloudSource(const PointCloudSourceOptions& options)
    : limits_(options.limits), max_bytes_(options.max_bytes), list_(options.list, kind_of(options)) {}

PointCloudSource::Loaded PointCloudSource::load(std::size_t i) const {
  const SampleList::Place place = list_.place(i);
  Loaded loaded;
  loaded.where = place.path;
  if (place.container != nullptr) {
    const Tensor row = row_of(place);
    loaded.where = list_.id(i);
    loaded.digest = digest_of(row);
    loaded.cloud = cloud_of_array(row, loaded.where, limits_);
    return loaded;
  }
  const std::vector<std::byte> bytes = read_cloud_file(place.path, max_bytes_);
  loaded.digest = sha256(std::span(bytes));
  loaded.cloud = decode_point_cloud(bytes, place.path, limits_);
  return loaded;
}

Digest PointCloudSource::digest(std::size_t i) const {
  const SampleList::Place place = list_.place(i);
  if (place.container != nullptr) return digest_of(row_of(place));
  return sha256(std::span<const std::byte>(read_cloud_file(place.path, max_bytes_)));
}

}  // namespace mt
