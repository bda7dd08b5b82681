// A hyperspectral scene: rows x columns of pixels, each a spectrum of bands. ENVI, MATLAB and NumPy files, read row by
// row, so that a scene of any size takes little memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"

namespace mt {

struct SceneSize {
  std::size_t rows = 0, columns = 0;
  bool operator==(const SceneSize&) const = default;
  std::size_t pixels() const { return rows * columns; }
};

class SpectralCube {
 public:
  virtual ~SpectralCube() = default;

  const SceneSize& size() const { return size_; }
  std::size_t bands() const { return bands_; }
  const std::string& where() const { return where_; }
  // ENVI's "class names", if it has any; of a label image.
  const std::vector<std::string>& class_names() const { return class_names_; }

  // Rows [begin, end) of the scene: [end - begin, columns, bands] f32, NaN where the file says that there is no value.
  // Throws Error. Callable from several threads at once.
  virtual Tensor read_rows(std::size_t begin, std::size_t end) const = 0;

 protected:
  SpectralCube(SceneSize size, std::size_t bands, std::string where)
      : size_(size), bands_(bands), where_(std::move(where)) {}
  std::vector<std::string> class_names_;

 private:
  SceneSize size_;
  std::size_t bands_;
  std::string where_;
};

struct CubeChoice {
  std::string variable;           // of a MATLAB or NPZ file; "": the only one that it can be
  std::optional<SceneSize> size;  // of matrices of spectra [bands, pixels] or [pixels, bands]; MATLAB files may hold it
                                  // as nRow and nCol. Their pixels run down the columns of the scene, as in MATLAB.
};
// ENVI: the header (.hdr) or the data beside it. MATLAB: version 5 and 7.3. NumPy: .npy, .npz. A scene is [rows,
// columns, bands], or [rows, columns] of one band when choice.size says so. Throws Error: another kind of file, no such
// variable, sizes that do not fit, fewer bytes than declared, complex numbers.
std::unique_ptr<SpectralCube> open_spectral_cube(const std::filesystem::path& path, const CubeChoice& choice);

// How numbers lie: at (row, column, band) the element row * row_stride + column * column_stride + band * band_stride.
struct CubeLayout {
  SceneSize size;
  std::size_t bands = 0;
  std::size_t row_stride = 0, column_stride = 0, band_stride = 0;  // in elements
  char kind = 'f';                                                 // i, u or f
  std::size_t item_bytes = 4;
  bool big_endian = false;
  std::optional<double> ignore;  // what stands for "no value"
};
// elements: as many as the layout needs (Error otherwise). Pages of a MappedFile are released after each read.
std::unique_ptr<SpectralCube> strided_cube(const CubeLayout& layout, std::span<const std::byte> elements,
                                           std::shared_ptr<const void> keep_alive, std::string where,
                                           std::vector<std::string> class_names = {});

// The layout of an array in C order. shape: [rows, columns, bands] or, reversed (MATLAB's, as HDF5 keeps it), [bands,
// columns, rows]; of two dimensions as open_spectral_cube says. The number type is the caller's to fill in.
CubeLayout array_layout(const std::vector<std::size_t>& shape, bool reversed, const std::optional<SceneSize>& size,
                        const std::string& where);

}  // namespace mt
