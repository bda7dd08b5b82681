#include "decode/image.h"

#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "decode/image_formats.h"

namespace mt {

namespace {

using Decoder = Image (*)(std::span<const std::byte>, std::string_view, const ImageLimits&);

struct Format {
  std::size_t offset;  // where the magic number stands
  std::string_view magic;
  Decoder decode;  // nullptr: recognised, so that the message can say what it is
  std::string_view name;
};

using namespace std::string_view_literals;

constexpr Format kFormats[] = {
    {0, "\xff\xd8\xff"sv, formats::decode_jpeg, "JPEG"},
    {0, "\x89PNG\r\n\x1a\n"sv, formats::decode_png, "PNG"},
    {0, "GIF87a"sv, formats::decode_gif, "GIF"},
    {0, "GIF89a"sv, formats::decode_gif, "GIF"},
    {0, "II*\0"sv, formats::decode_tiff, "TIFF"},
    {0, "MM\0*"sv, formats::decode_tiff, "TIFF"},
    {0, "II+\0"sv, formats::decode_tiff, "BigTIFF"},
    {0, "MM\0+"sv, formats::decode_tiff, "BigTIFF"},
    {8, "WEBP"sv, formats::decode_webp, "WebP"},
    {0, "BM"sv, formats::decode_bmp, "BMP"},
    {128, "DICM"sv, formats::decode_dicom, "DICOM"},
    {4, "ftypavif"sv, nullptr, "an AVIF picture"},
    {4, "ftypheic"sv, nullptr, "a HEIC picture"},
    {4, "ftypheix"sv, nullptr, "a HEIC picture"},
    {4, "ftypmif1"sv, nullptr, "a HEIF picture"},
    {0, "\0\0\0\x0cjP  \r\n"sv, nullptr, "a JPEG 2000 picture"},
    {0, "\xff\x4f\xff\x51"sv, nullptr, "a JPEG 2000 picture"},
    {0, "\0\0\0\x0cJXL \r\n"sv, nullptr, "a JPEG XL picture"},
    {0, "\xff\x0a"sv, nullptr, "a JPEG XL picture"},
    {0, "8BPS"sv, nullptr, "a Photoshop document"},
    {0, "%PDF"sv, nullptr, "a PDF document"},
    {0, "v/1\x01"sv, nullptr, "an OpenEXR picture"},
    {0, "#?RADIANCE"sv, nullptr, "a Radiance HDR picture"},
    {0, "<svg"sv, nullptr, "an SVG drawing"},
    {0, "<?xml"sv, nullptr, "an XML document"},
    {0, "<!DOCTYPE"sv, nullptr, "an HTML page"},
    {0, "\0\0\x01\0"sv, nullptr, "a Windows icon"},
    {0, "\x89HDF\r\n"sv, nullptr, "an HDF5 file"},
    {0, "PK\x03\x04"sv, nullptr, "a zip archive"},
    {0, "\x1f\x8b"sv, nullptr, "a gzip file"},
};

bool is_pnm(std::string_view text) {
  return text.size() > 2 && text[0] == 'P' && text[1] >= '1' && text[1] <= '6' &&
         (text[2] == '#' || text[2] == ' ' || (text[2] >= '\t' && text[2] <= '\r'));
}

// Where pixel (row, column) of the upright picture lies in the stored one.
struct Turn {
  bool transposed, flip_rows, flip_columns;  // of the stored picture, in that order of reading
};
constexpr Turn kTurns[9] = {{},
                            {false, false, false},
                            {false, false, true},
                            {false, true, true},
                            {false, true, false},
                            {true, false, false},
                            {true, true, false},
                            {true, true, true},
                            {true, false, true}};

}  // namespace

Image decode_image(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  if (bytes.empty()) throw Error(name, "is empty");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Format& format : kFormats) {
    if (text.size() < format.offset || !text.substr(format.offset).starts_with(format.magic)) continue;
    if (format.decode == nullptr) {
      throw Error(name, fmt::format("is {}, which is not read", format.name), "convert it to PNG or JPEG");
    }
    Image image = format.decode(bytes, name, limits);
    formats::require_finite(image, name);
    return image;
  }
  if (is_pnm(text)) return formats::decode_pnm(bytes, name, limits);
  if (formats::looks_like_tga(bytes)) return formats::decode_tga(bytes, name, limits);
  throw Error(name, fmt::format("is no picture of a known format ({} bytes)", bytes.size()),
              "JPEG, PNG, BMP, PNM, TGA, GIF, TIFF, WebP and DICOM are read");
}

Image oriented(Image image) {
  if (image.orientation <= 1 || image.orientation > 8) {
    image.orientation = 1;
    return image;
  }
  const Turn turn = kTurns[image.orientation];
  const std::size_t rows = turn.transposed ? image.width() : image.height();
  const std::size_t columns = turn.transposed ? image.height() : image.width();
  const std::size_t pixel = image.channels() * size_of(image.pixels.dtype());
  Tensor upright(image.pixels.dtype(), {rows, columns, image.channels()});
  const std::byte* from = image.pixels.data();
  std::byte* to = upright.mutable_data();
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column, to += pixel) {
      std::size_t r = turn.transposed ? column : row, c = turn.transposed ? row : column;
      if (turn.flip_rows) r = image.height() - 1 - r;
      if (turn.flip_columns) c = image.width() - 1 - c;
      std::memcpy(to, from + (r * image.width() + c) * pixel, pixel);
    }
  }
  image.pixels = std::move(upright);
  image.orientation = 1;
  return image;
}

}  // namespace mt
