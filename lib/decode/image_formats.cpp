#include "decode/image_formats.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt::formats {

namespace {

// A blank page compresses without bound in some formats, so small pictures may come from any number of bytes. Beyond 33
// megapixels (134 MB as RGBA) a byte has to stand for at most 4,096 pixels; deflate reaches 1,032.
constexpr std::uint64_t kPlainPixels = std::uint64_t{1} << 25;
constexpr std::uint64_t kMaxPixelsPerByte = 4096;

constexpr std::uint64_t kBytesPerPixel = 4;  // of memory, for each pixel of the limit

}  // namespace

void check_extent(std::uint64_t width, std::uint64_t height, std::uint64_t bytes_per_pixel, std::size_t file_bytes,
                  std::string_view name, const ImageLimits& limits) {
  if (width == 0 || height == 0) throw Error(name, fmt::format("is a picture of {} x {} pixels", width, height));
  // Divisions cannot overflow, and limits are small beside 2^64 / kBytesPerPixel.
  if (width > limits.max_pixels || height > limits.max_pixels / width) {
    throw Error(name, fmt::format("declares {} x {} pixels, at most {} are decoded", width, height, limits.max_pixels),
                "scale it down first");
  }
  const std::uint64_t pixels = width * height;
  if (bytes_per_pixel > limits.max_pixels * kBytesPerPixel / pixels) {
    throw Error(name,
                fmt::format("{} x {} pixels of {} bytes each would take more than {}", width, height, bytes_per_pixel,
                            human_bytes(limits.max_pixels * kBytesPerPixel)),
                "scale it down first");
  }
  if (pixels > kPlainPixels && pixels / kMaxPixelsPerByte > file_bytes) {
    throw Error(name, fmt::format("declares {} x {} pixels in {} bytes", width, height, file_bytes),
                "it looks like a decompression bomb: scale it down if you trust it");
  }
}

Image blank_image(DType dtype, std::size_t height, std::size_t width, std::size_t channels) {
  Image image;
  image.pixels = Tensor(dtype, {height, width, channels});
  return image;
}

void cmyk_to_rgb(const std::uint8_t* cmyk, std::uint8_t* rgb) {
  const unsigned white = 255u - cmyk[3];
  for (int i = 0; i < 3; ++i) {
    const unsigned product = cmyk[i] * white + 128u;  // rounded division by 255
    rgb[i] = static_cast<std::uint8_t>(white - std::min(white, ((product >> 8) + product) >> 8));
  }
}

void flip_rows(std::uint8_t* pixels, std::size_t rows, std::size_t size) {
  for (std::size_t row = 0; row < rows / 2; ++row) {
    std::swap_ranges(pixels + row * size, pixels + (row + 1) * size, pixels + (rows - 1 - row) * size);
  }
}

void require_finite(const Image& image, std::string_view name) {
  if (image.pixels.dtype() != DType::f32) return;
  const std::span<const float> values = image.pixels.as<float>();
  const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const std::size_t pixel = static_cast<std::size_t>(bad - values.begin()) / image.channels();
  throw Error(name,
              fmt::format("the pixel in row {}, column {} is {}", pixel / image.width(), pixel % image.width(), *bad),
              "replace it by a number");
}

int exif_orientation(std::span<const std::byte> tiff) {
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3;
  constexpr std::size_t kEntryBytes = 12;
  if (tiff.size() < 8) return 1;
  const bool big = tiff[0] == std::byte{'M'};
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes && at + i < tiff.size(); ++i) {
      value |= std::to_integer<std::uint32_t>(tiff[at + i]) << 8 * (big ? bytes - 1 - i : i);
    }
    return value;
  };
  if (number(2, 2) != 42) return 1;
  const std::size_t directory = number(4, 4);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = std::min<std::size_t>(number(directory, 2), (tiff.size() - directory - 2) / kEntryBytes);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (number(entry, 2) != kOrientation || number(entry + 2, 2) != kShort) continue;
    const std::uint32_t value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace mt::formats
