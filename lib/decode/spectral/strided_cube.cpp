#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/files.h"
#include "decode/spectral/spectral_cube.h"

namespace mt {

namespace {

template <class T>
T loaded(const std::byte* from, bool swap) {
  std::byte bytes[sizeof(T)];
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = from[swap ? sizeof(T) - 1 - i : i];
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

class StridedCube final : public SpectralCube {
 public:
  StridedCube(const CubeLayout& layout, std::span<const std::byte> elements, std::shared_ptr<const void> keep_alive,
              std::string where, std::vector<std::string> class_names)
      : SpectralCube(layout.size, layout.bands, std::move(where)),
        layout_(layout),
        elements_(elements),
        keep_alive_(std::move(keep_alive)) {
    class_names_ = std::move(class_names);
  }

  Tensor read_rows(std::size_t begin, std::size_t end) const override {
    Tensor rows(DType::f32, {end - begin, layout_.size.columns, layout_.bands});
    switch (layout_.kind) {
      case 'f':
        if (layout_.item_bytes == 4) gather<float>(begin, end, rows);
        if (layout_.item_bytes == 8) gather<double>(begin, end, rows);
        break;
      case 'i':
        gather_whole<std::int8_t, std::int16_t, std::int32_t, std::int64_t>(begin, end, rows);
        break;
      default:
        gather_whole<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>(begin, end, rows);
    }
    release_pages(elements_);  // of a file that is larger than memory
    return rows;
  }

 private:
  template <class T8, class T16, class T32, class T64>
  void gather_whole(std::size_t begin, std::size_t end, Tensor& rows) const {
    if (layout_.item_bytes == 1) gather<T8>(begin, end, rows);
    if (layout_.item_bytes == 2) gather<T16>(begin, end, rows);
    if (layout_.item_bytes == 4) gather<T32>(begin, end, rows);
    if (layout_.item_bytes == 8) gather<T64>(begin, end, rows);
  }

  template <class T>
  float value_of(const std::byte* from, bool swap) const {
    const T value = loaded<T>(from, swap);
    if (layout_.ignore && static_cast<double>(value) == *layout_.ignore) return std::numeric_limits<float>::quiet_NaN();
    return static_cast<float>(value);
  }

  // The innermost loop follows the smallest stride, so that a page of the file is touched once.
  template <class T>
  void gather(std::size_t begin, std::size_t end, Tensor& rows) const {
    const bool swap = sizeof(T) > 1 && layout_.big_endian != (std::endian::native == std::endian::big);
    const std::size_t columns = layout_.size.columns, bands = layout_.bands;
    float* const out = rows.as<float>().data();
    const auto at = [&](std::size_t row, std::size_t column, std::size_t band) {
      const std::size_t element =
          row * layout_.row_stride + column * layout_.column_stride + band * layout_.band_stride;
      out[((row - begin) * columns + column) * bands + band] =
          value_of<T>(elements_.data() + element * sizeof(T), swap);
    };
    if (layout_.band_stride <= layout_.column_stride && layout_.band_stride <= layout_.row_stride) {
      for (std::size_t r = begin; r < end; ++r) {
        for (std::size_t c = 0; c < columns; ++c) {
          for (std::size_t b = 0; b < bands; ++b) at(r, c, b);
        }
      }
    } else if (layout_.column_stride <= layout_.row_stride) {
      for (std::size_t b = 0; b < bands; ++b) {
        for (std::size_t r = begin; r < end; ++r) {
          for (std::size_t c = 0; c < columns; ++c) at(r, c, b);
        }
        release_band(begin, end, b);
      }
    } else {
      for (std::size_t b = 0; b < bands; ++b) {
        for (std::size_t c = 0; c < columns; ++c) {
          for (std::size_t r = begin; r < end; ++r) at(r, c, b);
        }
        release_band(begin, end, b);
      }
    }
  }

  // After rows [begin, end) of a band, where bands lie apart: the system maps up to 2 MiB around each place that is
  // touched, and so would come to hold that for each band.
  void release_band(std::size_t begin, std::size_t end, std::size_t band) const {
    constexpr std::size_t kAround = std::size_t{2} << 20;
    if (layout_.band_stride < layout_.row_stride) return;
    const std::size_t first = band * layout_.band_stride + begin * layout_.row_stride;
    const std::size_t last = band * layout_.band_stride + (end - 1) * layout_.row_stride +
                             (layout_.size.columns - 1) * layout_.column_stride;
    const std::size_t from = first * layout_.item_bytes, to = (last + 1) * layout_.item_bytes;
    release_pages(elements_.subspan(from - std::min(from, kAround),
                                    std::min(from, kAround) + std::min(elements_.size(), to + kAround) - from));
  }

  CubeLayout layout_;
  std::span<const std::byte> elements_;
  std::shared_ptr<const void> keep_alive_;
};

}  // namespace

std::unique_ptr<SpectralCube> strided_cube(const CubeLayout& layout, std::span<const std::byte> elements,
                                           std::shared_ptr<const void> keep_alive, std::string where,
                                           std::vector<std::string> class_names) {
  const std::size_t count = element_count({layout.size.rows, layout.size.columns, layout.bands});
  const std::size_t need = checked_mul(count, layout.item_bytes, where);
  if (count == 0) throw Error(where, "holds no pixels");
  const bool known = layout.kind == 'f' ? layout.item_bytes == 4 || layout.item_bytes == 8
                                        : std::has_single_bit(layout.item_bytes) && layout.item_bytes <= 8;
  if (!known) throw Error(where, fmt::format("holds numbers of {} bytes", layout.item_bytes), "save it as float32");
  if (elements.size() < need) {
    throw Error(where,
                fmt::format("has {} bytes of data where {} x {} x {} numbers of {} bytes need {}", elements.size(),
                            layout.size.rows, layout.size.columns, layout.bands, layout.item_bytes, need),
                "copy it again");
  }
  return std::make_unique<StridedCube>(layout, elements.first(need), std::move(keep_alive), std::move(where),
                                       std::move(class_names));
}

CubeLayout array_layout(const std::vector<std::size_t>& shape, bool reversed, const std::optional<SceneSize>& size,
                        const std::string& where) {
  CubeLayout layout;
  if (shape.size() == 3) {
    layout.size = reversed ? SceneSize{shape[2], shape[1]} : SceneSize{shape[0], shape[1]};
    layout.bands = reversed ? shape[0] : shape[2];
    layout.row_stride = reversed ? 1 : shape[1] * shape[2];
    layout.column_stride = shape[2];
    layout.band_stride = reversed ? shape[1] * shape[2] : 1;
  } else if (shape.size() == 2 && size &&
             (reversed ? SceneSize{shape[1], shape[0]} : SceneSize{shape[0], shape[1]}) == *size) {
    layout.size = *size;
    layout.bands = 1;
    layout.row_stride = reversed ? 1 : shape[1];
    layout.column_stride = reversed ? shape[1] : 1;
    layout.band_stride = shape[0] * shape[1];
  } else if (shape.size() == 2 && size && (shape[0] == size->pixels() || shape[1] == size->pixels())) {
    const bool pixels_first = shape[0] == size->pixels();
    layout.size = *size;
    layout.bands = shape[pixels_first ? 1 : 0];
    const std::size_t pixel_stride = pixels_first ? layout.bands : 1;
    layout.row_stride = pixel_stride;
    layout.column_stride = size->rows * pixel_stride;
    layout.band_stride = pixels_first ? 1 : size->pixels();
  } else {
    throw Error(where,
                fmt::format("has the shape {}", to_string(reversed ? Shape(shape.rbegin(), shape.rend()) : shape)),
                size ? fmt::format("it should be {} x {} pixels", size->rows, size->columns)
                     : "a scene is [rows, columns, bands]; of a matrix of spectra say --size ROWSxCOLUMNS");
  }
  if (size && layout.size != *size) {
    throw Error(where, fmt::format("is {} x {} pixels, not {} x {}", layout.size.rows, layout.size.columns, size->rows,
                                   size->columns));
  }
  return layout;
}

}  // namespace mt
