// Where point clouds come from: a file each, or many in one array: HDF5 (as ModelNet40 is passed around), NPY, NPZ.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/digest.h"
#include "decode/point_cloud.h"
#include "decode/sample_list.h"

namespace mt {

struct PointCloudSourceOptions {
  SampleListOptions list;
  // Names of the arrays of clouds, [samples, points, 3 or more], in HDF5 and NPZ files; "" tries data and points.
  std::string array;
  std::string label_array;  // [samples] or [samples, 1]; "" tries label, labels and y
  PointCloudLimits limits;
  std::uint64_t max_bytes = std::uint64_t{8} << 30;  // of a file
};

class PointCloudSource {
 public:
  explicit PointCloudSource(const PointCloudSourceOptions& options);  // throws Error, UsageError

  const SampleList& list() const { return list_; }

  struct Loaded {
    PointCloud cloud;
    Digest digest;  // of the file's bytes; of an array's row with its shape and type
    std::string where;
  };
  // Throw Error (the sample is then rejected). Callable from several threads at once. digest(i) is load(i).digest
  // without the decoding of files.
  Loaded load(std::size_t i) const;
  Digest digest(std::size_t i) const;

 private:
  PointCloudLimits limits_;
  std::uint64_t max_bytes_;
  SampleList list_;
};

}  // namespace mt
