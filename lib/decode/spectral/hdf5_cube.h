// Scenes in HDF5 files, of which MATLAB's version 7.3 is a kind. Internal to decode/spectral/spectral_cube.cpp.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "decode/spectral/spectral_cube.h"

namespace mt {

// The signature lies at the start, or behind MATLAB's header of 512 bytes.
bool is_hdf5_cube(std::span<const std::byte> file);

class Hdf5Variables {
 public:
  explicit Hdf5Variables(const std::filesystem::path& path);  // throws Error
  ~Hdf5Variables();

  // Data sets of numbers at the root: names, and dimensions as in MATLAB (HDF5's reversed).
  std::vector<std::pair<std::string, std::vector<std::size_t>>> numeric() const;
  std::optional<double> scalar(const std::string& name) const;
  // Rows of a scene of three dimensions are read when they are asked for; matrices at once, up to 1 GiB.
  std::unique_ptr<SpectralCube> open(const std::string& name, const std::optional<SceneSize>& size) const;

 private:
  struct File;
  std::shared_ptr<File> file_;
};

}  // namespace mt
