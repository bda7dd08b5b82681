// WebP through libwebp; of an animation the first frame, on its canvas.
#include "base/error.h"
#include "decode/image_formats.h"

#ifdef MT_HAVE_WEBP

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <webp/decode.h>

#include "base/byte_reader.h"

namespace mt::formats {

namespace {

// The file's chunks that matter here. RIFF: every chunk is a name, a length, the data, and a byte more when the length
// is odd.
struct Chunks {
  std::span<const std::byte> exif, frame;
  std::uint32_t canvas_width = 0, canvas_height = 0;  // of the extended header, 0 without
  bool animated = false;
};

std::uint32_t take_u24(ByteReader& reader) {
  const std::uint32_t low = reader.take<std::uint16_t>();
  return low | std::uint32_t{reader.take<std::uint8_t>()} << 16;
}

Chunks read_chunks(std::span<const std::byte> bytes, std::string_view name) {
  ByteReader reader(bytes, std::string(name), 4);
  const std::uint64_t declared = std::uint64_t{reader.take<std::uint32_t>()} + 8;
  if (declared > bytes.size()) {
    throw Error(name, fmt::format("the WebP ends after {} of {} bytes", bytes.size(), declared),
                "it is cut: copy it again");
  }
  reader = ByteReader(bytes.first(declared), std::string(name), std::min<std::uint64_t>(12, declared));
  Chunks chunks;
  while (reader.remaining() >= 8) {
    const std::string_view kind = reader.take_text(4);
    const std::uint32_t size = reader.take<std::uint32_t>();
    const std::span<const std::byte> data = reader.take_bytes(size);
    if (size % 2 == 1 && reader.remaining() > 0) reader.skip(1);
    if (kind == "VP8X") {
      ByteReader header(data, std::string(name));
      chunks.animated = (header.take<std::uint8_t>() & 2) != 0;
      header.skip(3);
      chunks.canvas_width = take_u24(header) + 1;
      chunks.canvas_height = take_u24(header) + 1;
    }
    if (kind == "EXIF" && chunks.exif.empty()) chunks.exif = data;
    if (kind == "ANMF" && chunks.frame.empty()) chunks.frame = data;
  }
  return chunks;
}

int orientation_of(std::span<const std::byte> exif) {
  const std::string_view text(reinterpret_cast<const char*>(exif.data()), exif.size());
  return exif_orientation(text.starts_with("Exif") && exif.size() > 6 ? exif.subspan(6) : exif);
}

const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return "it ends too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "it has a feature that is not supported";
    case VP8_STATUS_OUT_OF_MEMORY:
      return "there is not enough memory";
    case VP8_STATUS_OK:
    case VP8_STATUS_INVALID_PARAM:
    case VP8_STATUS_BITSTREAM_ERROR:
    case VP8_STATUS_USER_ABORT:
      break;
  }
  return "its bit stream is invalid";
}

Image decode_still(std::span<const std::byte> bytes, std::string_view name, std::size_t file_bytes,
                   const ImageLimits& limits, bool with_alpha) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto damaged = [&](VP8StatusCode status) {
    return Error(name, fmt::format("the WebP of {} bytes is damaged: {}", bytes.size(), reason(status)),
                 "copy or save it again");
  };
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) throw Error(name, "libwebp is of another version than its headers");
  const VP8StatusCode found = WebPGetFeatures(data, bytes.size(), &config.input);
  if (found != VP8_STATUS_OK) throw damaged(found);
  const bool alpha = with_alpha || config.input.has_alpha != 0;
  const auto width = static_cast<std::size_t>(config.input.width),
             height = static_cast<std::size_t>(config.input.height);
  check_extent(width, height, 4, file_bytes, name, limits);

  Image image = blank_image(DType::u8, height, width, alpha ? 4 : 3);
  config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.pixels.as<std::uint8_t>().data();
  config.output.u.RGBA.stride = static_cast<int>(width * image.channels());
  config.output.u.RGBA.size = image.pixels.size();
  const VP8StatusCode status = WebPDecode(data, bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) throw damaged(status);
  return image;
}

Image decode_first_frame(const Chunks& chunks, std::string_view name, std::size_t file_bytes,
                         const ImageLimits& limits) {
  if (chunks.frame.empty()) throw Error(name, "the WebP is an animation without frames", "save it again");
  ByteReader reader(chunks.frame, std::string(name));
  const std::size_t left = std::size_t{2} * take_u24(reader), top = std::size_t{2} * take_u24(reader);
  reader.skip(10);  // size, which the frame itself has too, duration, blending: onto nothing here
  check_extent(chunks.canvas_width, chunks.canvas_height, 4, file_bytes, name, limits);
  const Image frame = decode_still(chunks.frame.subspan(reader.position()), name, file_bytes, limits, true);
  if (left + frame.width() > chunks.canvas_width || top + frame.height() > chunks.canvas_height) {
    throw Error(name, "the WebP's first frame lies outside its canvas", "save it again");
  }
  Image canvas = blank_image(DType::u8, chunks.canvas_height, chunks.canvas_width, 4);
  const std::uint8_t* from = frame.pixels.as<std::uint8_t>().data();
  std::uint8_t* to = canvas.pixels.as<std::uint8_t>().data() + (top * canvas.width() + left) * 4;
  for (std::size_t row = 0; row < frame.height(); ++row, from += 4 * frame.width(), to += 4 * canvas.width()) {
    std::copy_n(from, 4 * frame.width(), to);
  }
  return canvas;
}

}  // namespace

Image decode_webp(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  const Chunks chunks = read_chunks(bytes, name);
  Image image = chunks.animated ? decode_first_frame(chunks, name, bytes.size(), limits)
                                : decode_still(bytes, name, bytes.size(), limits, false);
  image.orientation = orientation_of(chunks.exif);
  return image;
}

}  // namespace mt::formats

#else

namespace mt::formats {
Image decode_webp(std::span<const std::byte>, std::string_view name, const ImageLimits&) {
  throw Error(name, "is a WebP picture, which this build cannot read", "install libwebp-dev and build again");
}
}  // namespace mt::formats

#endif
