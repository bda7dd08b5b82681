#include "decode/spectral/hdf5_cube.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "store/hdf5.h"

namespace mt {

namespace {

constexpr std::size_t kUserBlock = 512;  // MATLAB's header in front of the HDF5 file
constexpr std::uint64_t kLargestMatrix = std::uint64_t{1} << 30;
constexpr std::size_t kBlockValues = std::size_t{1} << 20;  // read at once

std::vector<std::size_t> reversed(const h5::Extents& extents) { return {extents.rbegin(), extents.rend()}; }

// [bands, columns, rows] in the file.
class SlabCube final : public SpectralCube {
 public:
  SlabCube(std::shared_ptr<void> file, h5::Opened opened, SceneSize size, std::size_t bands, const std::string& where)
      : SpectralCube(size, bands, where), file_(std::move(file)), opened_(std::move(opened)) {}

  Tensor read_rows(std::size_t begin, std::size_t end) const override {
    const std::size_t columns = size().columns, count = end - begin;
    Tensor rows(DType::f32, {count, columns, bands()});
    float* const out = rows.as<float>().data();
    const std::size_t at_once =
        std::clamp<std::size_t>(kBlockValues / std::max<std::size_t>(1, columns * count), 1, bands());
    std::vector<float> block(at_once * columns * count);
    for (std::size_t first = 0; first < bands(); first += at_once) {
      const std::size_t now = std::min(at_once, bands() - first);
      read_block(first, now, begin, count, block.data());
      for (std::size_t b = 0; b < now; ++b) {
        for (std::size_t c = 0; c < columns; ++c) {
          for (std::size_t r = 0; r < count; ++r)
            out[(r * columns + c) * bands() + first + b] = block[(b * columns + c) * count + r];
        }
      }
    }
    return rows;
  }

 private:
  void read_block(std::size_t band, std::size_t bands, std::size_t row, std::size_t rows, float* to) const {
    const h5::Lock lock;
    const hsize_t start[] = {band, 0, row}, count[] = {bands, size().columns, rows};
    const h5::Space from(H5Dget_space(opened_.dataset.get()), where(), "read"),
        into(H5Screate_simple(3, count, nullptr), where(), "read");
    h5::check(H5Sselect_hyperslab(from.get(), H5S_SELECT_SET, start, nullptr, count, nullptr), where(), "read");
    h5::check(H5Dread(opened_.dataset.get(), H5T_NATIVE_FLOAT, into.get(), from.get(), H5P_DEFAULT, to), where(),
              "read");
  }

  std::shared_ptr<void> file_;  // outlives the data set
  h5::Opened opened_;
};

}  // namespace

struct Hdf5Variables::File {
  h5::File file;
  std::string where;

  // A root member that is a data set of numbers, checked; nullopt for all others.
  std::optional<h5::Opened> dataset(const std::string& name) const {
    const h5::Lock lock;
    try {
      if (h5::is_group(file.get(), name, where)) return std::nullopt;
      h5::Opened opened = h5::open_dataset(file.get(), name, where);
      const h5::Type type(H5Dget_type(opened.dataset.get()), where, "read");
      if (!h5::dtype_of(type.get())) return std::nullopt;
      return opened;
    } catch (const Error&) {  // of another kind, or a claim that does not hold: not for us
      return std::nullopt;
    }
  }
};

bool is_hdf5_cube(std::span<const std::byte> file) {
  return h5::has_hdf5_signature(file) || (file.size() > kUserBlock && h5::has_hdf5_signature(file.subspan(kUserBlock)));
}

Hdf5Variables::Hdf5Variables(const std::filesystem::path& path) : file_(std::make_shared<File>()) {
  file_->where = path.string();
  file_->file = h5::open_file(path);
}

Hdf5Variables::~Hdf5Variables() = default;

std::vector<std::pair<std::string, std::vector<std::size_t>>> Hdf5Variables::numeric() const {
  std::vector<std::pair<std::string, std::vector<std::size_t>>> found;
  for (const std::string& name : h5::names(file_->file.get(), file_->where)) {
    if (name.starts_with('#')) continue;  // MATLAB's own references
    if (const auto opened = file_->dataset(name)) found.emplace_back(name, reversed(opened->declared.extents));
  }
  return found;
}

std::optional<double> Hdf5Variables::scalar(const std::string& name) const {
  if (!h5::has(file_->file.get(), name, file_->where)) return std::nullopt;
  const auto opened = file_->dataset(name);
  if (!opened || opened->declared.elements != 1) return std::nullopt;
  return static_cast<double>(
      h5::read_tensor(file_->file.get(), name, file_->where, 4096).to(DType::f32).as<float>()[0]);
}

std::unique_ptr<SpectralCube> Hdf5Variables::open(const std::string& name, const std::optional<SceneSize>& size) const {
  const std::string where = fmt::format("{}: {}", file_->where, name);
  h5::Opened opened = h5::open_dataset(file_->file.get(), name, where);
  const std::vector<std::size_t> shape(opened.declared.extents.begin(), opened.declared.extents.end());
  const CubeLayout layout = array_layout(shape, true, size, where);
  if (shape.size() == 3) return std::make_unique<SlabCube>(file_, std::move(opened), layout.size, layout.bands, where);
  const auto matrix =
      std::make_shared<const Tensor>(h5::read_tensor(file_->file.get(), name, where, kLargestMatrix).to(DType::f32));
  return strided_cube(layout, matrix->bytes(), matrix, where);
}

}  // namespace mt
