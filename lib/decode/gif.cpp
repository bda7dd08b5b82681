// First frame of a GIF through giflib, on the whole canvas. What the frame does not cover is transparent, or the first
// colour where the frame has no transparent one (as Pillow has it).
#include "base/error.h"
#include "decode/image_formats.h"

#ifdef MT_HAVE_GIF

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <gif_lib.h>

namespace mt::formats {

namespace {

struct Input {
  std::span<const std::byte> bytes;
  std::size_t at = 0;
  bool cut = false;
};

int read_some(GifFileType* gif, GifByteType* out, int count) {
  auto& input = *static_cast<Input*>(gif->UserData);
  const std::size_t wanted = static_cast<std::size_t>(std::max(count, 0));
  const std::size_t got = std::min(wanted, input.bytes.size() - input.at);
  std::memcpy(out, input.bytes.data() + input.at, got);
  input.at += got;
  input.cut = input.cut || got < wanted;
  return static_cast<int>(got);
}

class GifReader {
 public:
  GifReader(std::span<const std::byte> bytes, std::string_view name) : input_{bytes}, name_(name) {
    int code = 0;
    gif_.reset(DGifOpen(&input_, read_some, &code));
    if (!gif_) fail(code);
  }

  Image read(const ImageLimits& limits) {
    check_extent(static_cast<std::size_t>(std::max(gif_->SWidth, 1)),
                 static_cast<std::size_t>(std::max(gif_->SHeight, 1)), 4, input_.bytes.size(), name_, limits);
    seek_frame();
    const GifImageDesc& frame = gif_->Image;
    const auto left = static_cast<std::size_t>(frame.Left), top = static_cast<std::size_t>(frame.Top);
    const auto frame_width = static_cast<std::size_t>(frame.Width),
               frame_height = static_cast<std::size_t>(frame.Height);
    // A frame beyond the canvas widens it.
    const std::size_t width = std::max(static_cast<std::size_t>(gif_->SWidth), left + frame_width);
    const std::size_t height = std::max(static_cast<std::size_t>(gif_->SHeight), top + frame_height);
    check_extent(width, height, 4, input_.bytes.size(), name_, limits);
    check_codes(frame_width, frame_height);
    colours_ = frame.ColorMap != nullptr ? frame.ColorMap : gif_->SColorMap;
    const std::size_t channels = transparent_ ? 4 : 3;

    Image image = blank_image(DType::u8, height, width, channels);
    std::uint8_t* const pixels = image.pixels.as<std::uint8_t>().data();
    const bool covered = frame_width == width && frame_height == height;
    if (!covered) {
      for (std::size_t i = 0; i < width * height; ++i) put(transparent_.value_or(0), pixels + i * channels);
    }
    std::vector<GifPixelType> row(frame_width);
    for (std::size_t i = 0; i < frame_height; ++i) {
      if (DGifGetLine(gif_.get(), row.data(), frame.Width) == GIF_ERROR) fail(gif_->Error);
      std::uint8_t* target =
          pixels + ((top + (frame.Interlace ? interlaced_row(i, frame_height) : i)) * width + left) * channels;
      for (const GifPixelType colour : row) {
        put(colour, target);
        target += channels;
      }
    }
    return image;
  }

 private:
  struct Close {
    void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
  };

  [[noreturn]] void fail(int code) const {
    if (input_.cut) {
      throw Error(name_,
                  fmt::format("the GIF ends after {} bytes, before its first frame is whole", input_.bytes.size()),
                  "it is cut: copy it again");
    }
    const char* reason = GifErrorString(code);
    throw Error(name_,
                fmt::format("the GIF is damaged at byte {} of {}: {}", input_.at, input_.bytes.size(),
                            reason == nullptr ? "no reason given" : reason),
                "copy or save it again");
  }

  // Up to the first frame's pixels, taking its transparent colour along.
  void seek_frame() {
    for (;;) {
      GifRecordType record = UNDEFINED_RECORD_TYPE;
      if (DGifGetRecordType(gif_.get(), &record) == GIF_ERROR) fail(gif_->Error);
      if (record == TERMINATE_RECORD_TYPE) throw Error(name_, "the GIF holds no frame", "save it again");
      if (record == IMAGE_DESC_RECORD_TYPE) {
        if (DGifGetImageDesc(gif_.get()) == GIF_ERROR) fail(gif_->Error);
        return;
      }
      if (record == EXTENSION_RECORD_TYPE) read_extension();
    }
  }

  void read_extension() {
    int code = 0;
    GifByteType* data = nullptr;  // length in data[0]
    if (DGifGetExtension(gif_.get(), &code, &data) == GIF_ERROR) fail(gif_->Error);
    if (code == GRAPHICS_EXT_FUNC_CODE && data != nullptr && data[0] >= 4 && (data[1] & 1) != 0) transparent_ = data[4];
    while (data != nullptr) {
      if (DGifGetExtensionNext(gif_.get(), &data) == GIF_ERROR) fail(gif_->Error);
    }
  }

  // A code of at least three bits gives at most 4,096 pixels, the size of the dictionary.
  void check_codes(std::size_t width, std::size_t height) const {
    if (width * height / 4096 <= input_.bytes.size() * 8 / 3) return;
    throw Error(name_,
                fmt::format("declares a frame of {} x {} pixels, but {} bytes cannot hold it", width, height,
                            input_.bytes.size()),
                "it is cut: copy it again");
  }

  // Without a palette the colours are greys; a colour beyond the palette is black, as in Pillow.
  void put(std::uint8_t colour, std::uint8_t* pixel) const {
    GifColorType rgb = {0, 0, 0};
    if (colours_ == nullptr)
      rgb = {colour, colour, colour};
    else if (colour < colours_->ColorCount)
      rgb = colours_->Colors[colour];
    pixel[0] = rgb.Red;
    pixel[1] = rgb.Green;
    pixel[2] = rgb.Blue;
    if (transparent_) pixel[3] = colour == *transparent_ ? 0 : 255;
  }

  Input input_;
  std::string_view name_;
  std::unique_ptr<GifFileType, Close> gif_;
  const ColorMapObject* colours_ = nullptr;
  std::optional<std::uint8_t> transparent_;
};

}  // namespace

std::size_t interlaced_row(std::size_t i, std::size_t height) {
  constexpr std::size_t kFirst[] = {0, 4, 2, 1}, kStep[] = {8, 8, 4, 2};
  for (int pass = 0; pass < 4; ++pass) {
    const std::size_t rows = height > kFirst[pass] ? (height - kFirst[pass] + kStep[pass] - 1) / kStep[pass] : 0;
    if (i < rows) return kFirst[pass] + i * kStep[pass];
    i -= rows;
  }
  return height - 1;
}

Image decode_gif(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  return GifReader(bytes, name).read(limits);
}

}  // namespace mt::formats

#else

namespace mt::formats {
Image decode_gif(std::span<const std::byte>, std::string_view name, const ImageLimits&) {
  throw Error(name, "is a GIF, which this build cannot read", "install libgif-dev and build again");
}
}  // namespace mt::formats

#endif
