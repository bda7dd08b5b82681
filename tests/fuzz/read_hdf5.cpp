// Any HDF5 file gives an Error, or clouds and scenes of the extents it declares. Seeds:
// tests/reference/make_fuzz_seeds.py, tests/golden/spectral/scene_v73.mat.
// Run it with ASAN_OPTIONS=detect_leaks=0, since HDF5 keeps memory for itself, which would be looked through after each
// input, and with -fork=1 -ignore_crashes=1 -ignore_ooms=1, which goes on after the faults of HDF5 itself.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>

#include "base/error.h"
#include "decode/point_cloud_arrays.h"
#include "decode/spectral/hdf5_cube.h"
#include "decode/spectral/spectral_cube.h"

namespace {

constexpr std::size_t kMostValues = std::size_t{1} << 20;  // of what is read of a scene

const std::string& fuzz_file() {
  static const std::string name = "/dev/shm/mt-fuzz-hdf5-" + std::to_string(getpid()) + ".h5";
  return name;
}

void read_clouds() {
  const auto clouds = mt::open_cloud_array(fuzz_file(), "", "");
  mt::ClassLabels labels;
  if (clouds->add_labels(labels) && labels.size() != clouds->samples()) std::abort();
  for (std::size_t i = 0; i < std::min<std::size_t>(clouds->samples(), 4); ++i) {
    if (clouds->cloud(i).shape().at(1) < 3) std::abort();
  }
}

void read_scene() {
  const auto scene = mt::open_spectral_cube(fuzz_file(), {});
  const std::size_t rows = std::min<std::size_t>(scene->size().rows, 2);
  if (mt::element_count({rows, scene->size().columns, scene->bands()}) > kMostValues) return;
  const mt::Tensor read = scene->read_rows(0, rows);
  if (read.shape() != mt::Shape{rows, scene->size().columns, scene->bands()}) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Other formats have harnesses of their own.
  if (!mt::is_hdf5_cube(std::as_bytes(std::span(data, size)))) return 0;
  std::ofstream(fuzz_file(), std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  for (const auto read : {read_clouds, read_scene}) {
    try {
      read();
    } catch (const mt::Error&) {  // refused
    }
  }
  return 0;
}
