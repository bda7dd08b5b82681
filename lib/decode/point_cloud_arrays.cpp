#include "decode/point_cloud_arrays.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "decode/label_file.h"
#include "decode/stored_array.h"
#include "store/hdf5.h"

namespace mt {

namespace {

constexpr std::uint64_t kMaxLabelBytes = std::uint64_t{64} << 20, kMaxCloudBytes = std::uint64_t{4} << 30;

void require_clouds(const Shape& shape, const std::string& where) {
  if (shape.size() == 3 && shape[2] >= 3) return;
  throw Error(where, fmt::format("has the shape {}, expected [samples, points, 3 or more]", to_string(shape)));
}

// The name asked for, else the first of the usual ones that there is, else the only one; "" when none is.
std::string chosen(const std::string& asked, std::initializer_list<const char*> usual,
                   const std::vector<std::string>& names) {
  if (!asked.empty()) return asked;
  for (const char* name : usual) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return name;
  }
  return names.size() == 1 ? names[0] : "";
}

class NumPyClouds final : public CloudArray {
 public:
  NumPyClouds(StoredArray clouds, std::optional<StoredArray> labels)
      : clouds_(std::move(clouds)), labels_(std::move(labels)) {
    if (clouds_.header.shape.size() == 2) clouds_.header.shape.insert(clouds_.header.shape.begin(), 1);
    require_clouds(clouds_.header.shape, clouds_.where);
    if (clouds_.header.is_text()) throw Error(clouds_.where, "holds text, not coordinates");
  }

  std::size_t samples() const override { return clouds_.rows(); }
  bool add_labels(ClassLabels& labels) const override {
    if (labels_) add_array_labels(labels, *labels_, samples());
    return labels_.has_value();
  }
  Tensor cloud(std::size_t row) const override { return clouds_.row(row); }

 private:
  StoredArray clouds_;
  std::optional<StoredArray> labels_;
};

class Hdf5Clouds final : public CloudArray {
 public:
  Hdf5Clouds(const std::string& path, const std::string& array, const std::string& label_array) : where_(path) {
    const h5::Lock lock;
    file_ = h5::open_file(path);
    const std::vector<std::string> names = h5::names(file_.get(), where_);
    const std::string clouds = chosen(array, {"data", "points"}, names);
    if (clouds.empty()) throw Error(where_, fmt::format("holds {}", listed(names)), "name the clouds with --array");
    data_ = h5::open_dataset(file_.get(), clouds, where_);
    where_ += ": " + clouds;
    for (const hsize_t extent : data_.declared.extents) shape_.push_back(extent);
    require_clouds(shape_, where_);
    const std::string labels = chosen(label_array, {"label", "labels", "y"}, names);
    if (labels.empty() || labels == clouds) return;
    const auto tensor = std::make_shared<const Tensor>(
        h5::read_tensor(file_.get(), labels, fmt::format("{}: {}", path, labels), kMaxLabelBytes));
    labels_ = stored_tensor(tensor, fmt::format("{}: {}", path, labels));
  }

  std::size_t samples() const override { return shape_[0]; }
  bool add_labels(ClassLabels& labels) const override {
    if (labels_) add_array_labels(labels, *labels_, samples());
    return labels_.has_value();
  }
  Tensor cloud(std::size_t row) const override {
    const std::uint64_t numbers = element_count({shape_[1], shape_[2]});
    require_within(checked_mul<std::uint64_t>(numbers, sizeof(double), where_), kMaxCloudBytes, where_, "a cloud");
    Tensor cloud(DType::f64, {shape_[1], shape_[2]});
    const h5::Lock lock;
    if (numbers > 0) h5::read_rows(data_.dataset, h5::type_of(DType::f64), row, 1, cloud.mutable_data(), where_);
    return cloud;
  }

 private:
  std::string where_;
  h5::File file_;
  h5::Opened data_;
  Shape shape_;
  std::optional<StoredArray> labels_;
};

std::shared_ptr<const CloudArray> open_npz_clouds(const std::string& path, const std::string& array,
                                                  const std::string& label_array) {
  std::vector<std::string> names, clouds;
  for (const NpzMember& member : list_npz(path)) {
    names.push_back(member.name);
    const std::size_t dimensions = member.header.shape.size();
    if (member.unread.empty() && !member.header.is_text() &&
        (dimensions == 3 || (dimensions == 2 && member.header.shape[1] >= 3))) {
      clouds.push_back(member.name);
    }
  }
  const std::string name = chosen(array, {"data", "points"}, clouds);
  if (name.empty()) throw Error(path, fmt::format("holds {}", listed(names)), "name the clouds with --array");
  const std::string labels = chosen(label_array, {"label", "labels", "y"}, names);
  std::optional<StoredArray> label_values;
  if (!labels.empty() && labels != name) label_values = open_npz(path, labels);
  return std::make_shared<NumPyClouds>(open_npz(path, name), std::move(label_values));
}

bool is_hdf5(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> head(8);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  return file && h5::has_hdf5_signature(std::as_bytes(std::span(head)));
}

}  // namespace

std::shared_ptr<const CloudArray> open_cloud_array(const std::string& path, const std::string& array,
                                                   const std::string& label_array) {
  const std::string extension = lower_ascii(std::filesystem::path(path).extension().string());
  if (extension == ".h5" || extension == ".hdf5" || extension == ".npy" || extension == ".npz") {
    if (is_hdf5(path)) return std::make_shared<Hdf5Clouds>(path, array, label_array);
    if (array_format(std::filesystem::path(path)) == ArrayFormat::npz) return open_npz_clouds(path, array, label_array);
    if (array_format(std::filesystem::path(path)) == ArrayFormat::npy) {
      StoredArray clouds = open_npy(path);
      if (clouds.header.shape.size() == 2) return nullptr;
      return std::make_shared<NumPyClouds>(std::move(clouds), std::nullopt);
    }
    throw Error(path, fmt::format("is named {}, but is no such file", extension));
  }
  return nullptr;
}

}  // namespace mt
