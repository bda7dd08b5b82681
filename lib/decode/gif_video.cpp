// Animated GIF through giflib: each frame drawn upon what the frames before have left. What nothing covers is white, as
// FFmpeg has it.
#include "base/checked.h"
#include "base/error.h"
#include "decode/image_formats.h"
#include "decode/video.h"

#ifdef MT_HAVE_GIF

#include <algorithm>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <gif_lib.h>

namespace mt::formats {

namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 31;
constexpr double kUsualDelay = 0.1;  // seconds, where a frame says less than two hundredths

struct Input {
  ByteSource* source;
  std::uint64_t at = 0;
};

int read_some(GifFileType* gif, GifByteType* out, int count) {
  auto& input = *static_cast<Input*>(gif->UserData);
  const auto wanted = static_cast<std::size_t>(std::max(count, 0));
  const std::size_t got = input.source->read(input.at, std::as_writable_bytes(std::span(out, wanted)));
  input.at += got;
  return static_cast<int>(got);
}

enum Disposal : std::uint8_t { keep = 1, to_background = 2, to_previous = 3 };

// What stands before a frame's pixels.
struct Control {
  std::optional<std::uint8_t> transparent;
  int disposal = 0;
  double delay = kUsualDelay;
};

class GifVideo final : public Video {
 public:
  GifVideo(std::unique_ptr<ByteSource> source, std::string name, const VideoLimits& limits)
      : source_(std::move(source)), name_(std::move(name)), limits_(limits) {
    require_within(source_->size(), kMostBytes, name_, "the GIF");
    rewind();
    find_frames();
    rewind();
  }

  std::shared_ptr<const VideoTimes> times() const override { return times_; }

  Image frame(std::size_t i) override {
    if (i >= times_->starts.size()) throw std::out_of_range("GIF frame");
    if (i + 1 < next_) rewind();
    while (next_ <= i) draw_next();
    Image image = blank_image(DType::u8, height_, width_, 3);
    std::copy(canvas_.begin(), canvas_.end(), image.pixels.as<std::uint8_t>().begin());
    return image;
  }

 private:
  struct Close {
    void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
  };

  [[noreturn]] void fail(int code) const {
    const char* reason = GifErrorString(code);
    throw Error(name_,
                fmt::format("the GIF is cut or damaged at byte {} of {}: {}", input_.at, source_->size(),
                            reason == nullptr ? "no reason given" : reason),
                "copy it again, or --salvage");
  }

  void rewind() {
    input_ = {source_.get()};
    int code = 0;
    gif_.reset(DGifOpen(&input_, read_some, &code));
    if (!gif_) fail(code);
    width_ = static_cast<std::size_t>(std::max(gif_->SWidth, 1));
    height_ = static_cast<std::size_t>(std::max(gif_->SHeight, 1));
    check_extent(width_, height_, 3, static_cast<std::size_t>(source_->size()), name_, limits_.frame);
    canvas_.assign(width_ * height_ * 3, 255);
    control_ = {};
    next_ = 0;
    last_ = {};
    last_disposal_ = 0;
  }

  // Up to the next frame's description; false behind the last.
  bool seek_frame() {
    control_ = {};
    for (;;) {
      GifRecordType record = UNDEFINED_RECORD_TYPE;
      if (DGifGetRecordType(gif_.get(), &record) == GIF_ERROR) fail(gif_->Error);
      if (record == TERMINATE_RECORD_TYPE) return false;
      if (record == IMAGE_DESC_RECORD_TYPE) {
        if (DGifGetImageDesc(gif_.get()) == GIF_ERROR) fail(gif_->Error);
        return true;
      }
      if (record == EXTENSION_RECORD_TYPE) read_extension();
    }
  }

  void read_extension() {
    int code = 0;
    GifByteType* data = nullptr;  // length in data[0]
    if (DGifGetExtension(gif_.get(), &code, &data) == GIF_ERROR) fail(gif_->Error);
    if (code == GRAPHICS_EXT_FUNC_CODE && data != nullptr && data[0] >= 4) {
      if ((data[1] & 1) != 0) control_.transparent = data[4];
      control_.disposal = data[1] >> 2 & 7;
      const int hundredths = data[2] | data[3] << 8;
      control_.delay = hundredths < 2 ? kUsualDelay : hundredths / 100.0;
    }
    while (data != nullptr) {
      if (DGifGetExtensionNext(gif_.get(), &data) == GIF_ERROR) fail(gif_->Error);
    }
  }

  void find_frames() {
    double at = 0;
    try {
      while (seek_frame()) {
        int size = 0;
        GifByteType* block = nullptr;
        if (DGifGetCode(gif_.get(), &size, &block) == GIF_ERROR) fail(gif_->Error);
        while (block != nullptr) {
          if (DGifGetCodeNext(gif_.get(), &block) == GIF_ERROR) fail(gif_->Error);
        }
        if (times_->starts.size() == limits_.max_frames)
          throw Error(name_, fmt::format("has more than {} frames", limits_.max_frames));
        times_->starts.push_back(at);
        at += control_.delay;
      }
    } catch (const Error&) {
      if (!limits_.salvage || times_->starts.empty()) throw;
    }
    if (times_->starts.empty()) throw Error(name_, "the GIF holds no frame");
    times_->duration = at;
  }

  struct Area {
    std::size_t left = 0, top = 0, width = 0, height = 0;
  };

  // What the frame before has to give back.
  void dispose() {
    if (last_disposal_ == to_previous) canvas_ = before_;
    if (last_disposal_ == to_background) {
      for (std::size_t row = last_.top; row < std::min(last_.top + last_.height, height_); ++row) {
        const std::size_t begin = std::min(last_.left, width_), end = std::min(last_.left + last_.width, width_);
        std::fill_n(canvas_.begin() + static_cast<std::ptrdiff_t>((row * width_ + begin) * 3), (end - begin) * 3,
                    std::uint8_t{255});
      }
    }
  }

  void draw_next() {
    if (!seek_frame()) throw Error(name_, "the GIF has fewer frames than before: did it change?");
    dispose();
    const GifImageDesc& frame = gif_->Image;
    const Area area{static_cast<std::size_t>(std::max(frame.Left, 0)), static_cast<std::size_t>(std::max(frame.Top, 0)),
                    static_cast<std::size_t>(std::max(frame.Width, 0)),
                    static_cast<std::size_t>(std::max(frame.Height, 0))};
    if (control_.disposal == to_previous) before_ = canvas_;
    const ColorMapObject* const colours = frame.ColorMap != nullptr ? frame.ColorMap : gif_->SColorMap;
    std::vector<GifPixelType> line(area.width);
    for (std::size_t i = 0; i < area.height; ++i) {
      if (DGifGetLine(gif_.get(), line.data(), frame.Width) == GIF_ERROR) fail(gif_->Error);
      const std::size_t row = area.top + (frame.Interlace ? interlaced_row(i, area.height) : i);
      if (row >= height_) continue;
      const std::size_t visible = area.left < width_ ? std::min(area.width, width_ - area.left) : 0;
      std::uint8_t* const target = canvas_.data() + (row * width_ + area.left) * 3;
      for (std::size_t column = 0; column < visible; ++column) put(line[column], colours, target + column * 3);
    }
    last_ = area;
    last_disposal_ = control_.disposal;
    ++next_;
  }

  // As for pictures: greys without a palette, black beyond it.
  void put(std::uint8_t colour, const ColorMapObject* colours, std::uint8_t* pixel) const {
    if (control_.transparent && colour == *control_.transparent) return;
    GifColorType rgb = {0, 0, 0};
    if (colours == nullptr)
      rgb = {colour, colour, colour};
    else if (colour < colours->ColorCount)
      rgb = colours->Colors[colour];
    pixel[0] = rgb.Red;
    pixel[1] = rgb.Green;
    pixel[2] = rgb.Blue;
  }

  std::unique_ptr<ByteSource> source_;
  std::string name_;
  VideoLimits limits_;
  Input input_{};
  std::unique_ptr<GifFileType, Close> gif_;
  std::size_t width_ = 0, height_ = 0;
  std::shared_ptr<VideoTimes> times_ = std::make_shared<VideoTimes>();
  Control control_;
  std::size_t next_ = 0;  // frame that is drawn next
  std::vector<std::uint8_t> canvas_, before_;
  Area last_;
  int last_disposal_ = 0;
};

}  // namespace

std::unique_ptr<Video> open_gif(std::unique_ptr<ByteSource> source, std::string name, const VideoLimits& limits) {
  return std::make_unique<GifVideo>(std::move(source), std::move(name), limits);
}

}  // namespace mt::formats

#else

namespace mt::formats {
std::unique_ptr<Video> open_gif(std::unique_ptr<ByteSource>, std::string name, const VideoLimits&) {
  throw Error(name, "is a GIF, which this build cannot read", "install libgif-dev and build again");
}
}  // namespace mt::formats

#endif
