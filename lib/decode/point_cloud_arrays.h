// Files of many point clouds in one array. Internal to decode/point_cloud_source.cpp.
#pragma once

#include <memory>
#include <string>

#include "base/tensor.h"
#include "decode/sample_list.h"

namespace mt {

class CloudArray : public SampleContainer {
 public:
  virtual Tensor cloud(std::size_t row) const = 0;  // [points, columns]; throws Error
};

// What path holds: null when it is a file of one cloud (another format, or an array of two dimensions). Names as in
// PointCloudSourceOptions. Throws Error: no such array, damaged, shapes that are no clouds.
std::shared_ptr<const CloudArray> open_cloud_array(const std::string& path, const std::string& array,
                                                   const std::string& label_array);

}  // namespace mt
