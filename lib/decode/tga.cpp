// TGA: the header and every packet are checked here, then stb_image decodes it. stb_image would take missing bytes for
// zeros, colours beyond the palette for the first one, and pictures stored from right to left as if from left to right.
#include <algorithm>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "base/error.h"
#include "decode/image_formats.h"
#include "decode/stb.h"

namespace mt::formats {

namespace {

constexpr std::size_t kHeaderBytes = 18;

struct TgaHeader {
  std::uint8_t id_bytes, map_type, kind;
  std::uint16_t map_first, map_entries;
  std::uint8_t map_bits;
  std::uint16_t width, height;
  std::uint8_t bits, descriptor;

  bool run_length() const { return kind >= 9; }
  bool right_to_left() const { return (descriptor & 0x10) != 0; }
};

TgaHeader read_header(std::span<const std::byte> bytes) {
  ByteReader reader(bytes, "TGA");
  TgaHeader header{};
  header.id_bytes = reader.take<std::uint8_t>();
  header.map_type = reader.take<std::uint8_t>();
  header.kind = reader.take<std::uint8_t>();
  header.map_first = reader.take<std::uint16_t>();
  header.map_entries = reader.take<std::uint16_t>();
  header.map_bits = reader.take<std::uint8_t>();
  reader.skip(4);  // the origin on the screen
  header.width = reader.take<std::uint16_t>();
  header.height = reader.take<std::uint16_t>();
  header.bits = reader.take<std::uint8_t>();
  header.descriptor = reader.take<std::uint8_t>();
  return header;
}

bool one_of(unsigned value, std::initializer_list<unsigned> known) {
  return std::find(known.begin(), known.end(), value) != known.end();
}

// Walks the pixels, packet by packet where they are run-length encoded.
class Walker {
 public:
  Walker(const TgaHeader& header, std::span<const std::byte> bytes, std::string_view name)
      : header_(header), reader_(bytes, std::string(name)), name_(name), pixel_bytes_((header.bits + 7u) / 8) {}

  void walk() {
    reader_.seek(kHeaderBytes);
    reader_.skip(header_.id_bytes);
    reader_.skip(std::uint64_t{header_.map_entries} * ((header_.map_bits + 7u) / 8));
    for (std::uint64_t left = std::uint64_t{header_.width} * header_.height; left > 0;) {
      std::uint64_t pixels = left, stored = left;
      if (header_.run_length()) {
        const auto packet = reader_.take<std::uint8_t>();
        pixels = (packet & 127u) + 1;
        stored = packet >= 128 ? 1 : pixels;
      }
      if (pixels > left) throw Error(name_, "the TGA has more pixels than it declares", "save it again as PNG");
      check_indices(reader_.take_bytes(stored * pixel_bytes_));
      left -= pixels;
    }
  }

 private:
  void check_indices(std::span<const std::byte> pixels) const {
    if (header_.map_type == 0) return;
    for (std::size_t i = 0; i < pixels.size(); i += pixel_bytes_) {
      unsigned index = std::to_integer<unsigned>(pixels[i]);
      if (pixel_bytes_ == 2) index |= std::to_integer<unsigned>(pixels[i + 1]) << 8;
      if (index >= header_.map_entries) {
        throw Error(
            name_,
            fmt::format("the TGA has a pixel of colour {}, its palette has {} colours", index, header_.map_entries),
            "save it again as PNG");
      }
    }
  }

  TgaHeader header_;
  ByteReader reader_;
  std::string_view name_;
  std::size_t pixel_bytes_;
};

}  // namespace

bool looks_like_tga(std::span<const std::byte> bytes) {
  if (bytes.size() <= kHeaderBytes) return false;
  const TgaHeader header = read_header(bytes);
  if (header.width == 0 || header.height == 0 || (header.descriptor & 0xC0) != 0) return false;
  if (header.map_type == 1) {
    return one_of(header.kind, {1, 9}) && one_of(header.bits, {8, 16}) && one_of(header.map_bits, {15, 16, 24, 32}) &&
           header.map_entries > 0;
  }
  if (header.map_type != 0) return false;
  if (one_of(header.kind, {3, 11})) return one_of(header.bits, {8, 16});
  return one_of(header.kind, {2, 10}) && one_of(header.bits, {15, 16, 24, 32});
}

Image decode_tga(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  const TgaHeader header = read_header(bytes);
  check_extent(header.width, header.height, 4, bytes.size(), name, limits);
  if (header.map_first != 0) {
    throw Error(name, fmt::format("is a TGA whose palette starts at colour {}, which is not read", header.map_first),
                "convert it to PNG");
  }
  Walker(header, bytes, name).walk();
  Image image = decode_with_stb(bytes, name, limits);
  if (header.right_to_left()) {
    image.orientation = 2;  // mirrored: turned here, since this belongs to the picture itself
    image = oriented(std::move(image));
  }
  return image;
}

}  // namespace mt::formats
