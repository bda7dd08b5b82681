// One decoder a format, and what they share. Callers outside this room use decode/image.h, which picks the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "decode/image.h"

namespace mt::formats {

// Each decodes bytes that start like its format; name is for errors, which are Error. Cut files are refused, never
// filled up. Where a library is optional and absent, the function throws and names the package.
Image decode_jpeg(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);
Image decode_png(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);
Image decode_pnm(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);
Image decode_bmp(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);
Image decode_tga(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);
Image decode_gif(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);
Image decode_tiff(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);
Image decode_webp(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);
Image decode_dicom(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits);

// TGA has no magic number: true when the header's fields make sense together.
bool looks_like_tga(std::span<const std::byte> bytes);

// The one gate before pixels are allocated: throws Error when a side is 0, when there are more than limits.max_pixels
// pixels, when they would take more than four bytes times that, or when a large picture comes from next to no bytes.
void check_extent(std::uint64_t width, std::uint64_t height, std::uint64_t bytes_per_pixel, std::size_t file_bytes,
                  std::string_view name, const ImageLimits& limits);

// An Image of zeros.
Image blank_image(DType dtype, std::size_t height, std::size_t width, std::size_t channels);

// C, M, Y, K with 0 for no ink -> R, G, B, as Pillow's convert("RGB") has it.
void cmyk_to_rgb(const std::uint8_t* cmyk, std::uint8_t* rgb);

// Rows of size bytes each, with the first and the last exchanged, and so on.
void flip_rows(std::uint8_t* pixels, std::size_t rows, std::size_t size);

// Throws Error when a float picture holds a NaN or an infinity, naming the first.
void require_finite(const Image& image, std::string_view name);

// Row of an interlaced GIF frame that is stored i-th.
std::size_t interlaced_row(std::size_t i, std::size_t height);

// EXIF: orientation 1..8 out of a TIFF structure ("II*\0...", without "Exif\0\0"); 1 when absent or damaged.
int exif_orientation(std::span<const std::byte> tiff);

}  // namespace mt::formats
