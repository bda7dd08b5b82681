// BMP: everything that the file declares is checked here, then stb_image decodes it. stb_image would take missing bytes
// for zeros and colours beyond the palette from the stack.
#include <algorithm>
#include <bit>
#include <limits>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "base/error.h"
#include "decode/image_formats.h"
#include "decode/stb.h"

namespace mt::formats {

namespace {

constexpr std::uint32_t kFileHeader = 14, kPlain = 0, kBitFields = 3;

struct BmpHeader {
  std::uint32_t offset = 0, size = 0, bits = 0, compression = kPlain;
  std::int64_t width = 0, height = 0;  // height: negative when the first row is the top one
  std::uint32_t masks[4] = {};         // red, green, blue, alpha
};

Error unread(std::string_view name, std::string_view what) {
  return Error(name, fmt::format("is a BMP {}, which is not read", what), "convert it to PNG");
}

BmpHeader read_header(std::span<const std::byte> bytes, std::string_view name) {
  ByteReader reader(bytes, std::string(name), 10);
  BmpHeader header;
  header.offset = reader.take<std::uint32_t>();
  header.size = reader.take<std::uint32_t>();
  if (header.size == 12) {
    header.width = reader.take<std::uint16_t>();
    header.height = reader.take<std::uint16_t>();
  } else {
    header.width = reader.take<std::int32_t>();
    header.height = reader.take<std::int32_t>();
  }
  reader.skip(2);
  header.bits = reader.take<std::uint16_t>();
  if (header.size == 12) return header;
  header.compression = reader.take<std::uint32_t>();
  if (header.compression != kBitFields) return header;
  reader.seek(kFileHeader + 40);  // the masks follow the short header, and are part of the longer ones
  const int masks = header.size > 40 ? 4 : 3;
  for (int i = 0; i < masks; ++i) header.masks[i] = reader.take<std::uint32_t>();
  return header;
}

bool is_contiguous(std::uint32_t mask) {
  const std::uint32_t shifted = mask == 0 ? 0 : mask >> std::countr_zero(mask);
  return std::popcount(mask) <= 8 && (shifted & (shifted + 1)) == 0;
}

void check_variant(const BmpHeader& header, std::string_view name) {
  if (header.size == 12 && header.bits < 24) throw unread(name, "of OS/2 with a palette");
  if (header.compression == 1 || header.compression == 2) throw unread(name, "with run-length encoding");
  if (header.compression != kPlain && header.compression != kBitFields) {
    throw unread(name, fmt::format("of compression {}", header.compression));
  }
  if (header.compression == kPlain) return;
  const bool contiguous = std::all_of(std::begin(header.masks), std::end(header.masks), is_contiguous);
  const bool complete = header.masks[0] != 0 && header.masks[1] != 0 && header.masks[2] != 0;
  if (!contiguous || !complete) throw unread(name, "with bit masks of an unusual kind");
}

// A pixel whose colour is not in the palette means damage.
void check_indices(const BmpHeader& header, std::span<const std::byte> rows, std::size_t stride,
                   std::string_view name) {
  const std::uint32_t entries = (header.offset - kFileHeader - header.size) / 4;
  if (entries >= 1u << header.bits) return;
  const auto per_byte = 8 / header.bits;
  for (std::size_t row = 0; row * stride < rows.size(); ++row) {
    for (std::size_t column = 0; column < static_cast<std::size_t>(header.width); ++column) {
      const auto packed = std::to_integer<unsigned>(rows[row * stride + column / per_byte]);
      const unsigned shift = 8 - header.bits * (column % per_byte + 1);
      const unsigned index = packed >> shift & ((1u << header.bits) - 1);
      if (index >= entries) {
        throw Error(name, fmt::format("the BMP has a pixel of colour {}, its palette has {} colours", index, entries),
                    "save it again");
      }
    }
  }
}

}  // namespace

Image decode_bmp(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  const BmpHeader header = read_header(bytes, name);
  check_variant(header, name);
  constexpr std::int64_t kMaxSide = std::numeric_limits<std::int32_t>::max();
  if (header.width < 0 || header.height < -kMaxSide) throw Error(name, "the BMP declares a negative width or height");
  const auto width = static_cast<std::uint64_t>(header.width);
  const auto height = static_cast<std::uint64_t>(header.height < 0 ? -header.height : header.height);
  check_extent(width, height, 4, bytes.size(), name, limits);

  const std::uint64_t stride = (width * header.bits + 31) / 32 * 4, needed = header.offset + stride * height;
  if (header.offset < kFileHeader + header.size) throw Error(name, "the BMP's pixels start within its header");
  if (bytes.size() < needed) {
    throw Error(name, fmt::format("the BMP ends after {} of {} bytes", bytes.size(), needed),
                "it is cut: copy it again");
  }
  if (header.bits == 1 || header.bits == 4 || header.bits == 8) {
    check_indices(header, bytes.subspan(header.offset, stride * height), stride, name);
  }
  Image image = decode_with_stb(bytes, name, limits);
  // The fourth byte of a plain 32-bit BMP means nothing.
  if (header.compression != kPlain || image.channels() != 4) return image;
  Image colour = blank_image(DType::u8, image.height(), image.width(), 3);
  const std::uint8_t* from = image.pixels.as<std::uint8_t>().data();
  std::uint8_t* to = colour.pixels.as<std::uint8_t>().data();
  for (std::size_t i = 0; i < width * height; ++i) std::copy_n(from + 4 * i, 3, to + 3 * i);
  return colour;
}

}  // namespace mt::formats
