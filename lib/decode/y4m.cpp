// YUV4MPEG2: a line that says what the frames are, then each frame behind a line of its own. 8-bit 4:2:0, 4:1:1, 4:2:2,
// 4:4:4 (with alpha, which is dropped) and grey; deeper planes of 9 to 16 bits are brought to 8.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "decode/image_formats.h"
#include "decode/video.h"

namespace mt::formats {

namespace {

constexpr std::string_view kMagic = "YUV4MPEG2";
constexpr std::size_t kMostLine = 4096;

struct Layout {
  std::string_view name;     // of the header's C
  std::size_t across, down;  // luma samples to a chroma sample; 0: no chroma
  bool alpha;
};
constexpr Layout kLayouts[] = {
    {"420", 2, 2, false}, {"411", 4, 1, false}, {"422", 2, 1, false}, {"444", 1, 1, false}, {"mono", 0, 0, false},
};

struct Header {
  std::size_t width = 0, height = 0, bits = 8;
  double rate = 25;  // frames a second
  Layout layout = kLayouts[0];
  bool full_range = false;

  std::size_t sample_bytes() const { return bits > 8 ? 2 : 1; }
  std::size_t chroma_width() const { return layout.across == 0 ? 0 : (width + layout.across - 1) / layout.across; }
  std::size_t chroma_height() const { return layout.down == 0 ? 0 : (height + layout.down - 1) / layout.down; }
  std::uint64_t frame_bytes() const {
    const std::uint64_t luma = std::uint64_t{width} * height;
    return (luma * (layout.alpha ? 2 : 1) + 2 * std::uint64_t{chroma_width()} * chroma_height()) * sample_bytes();
  }
};

// "420jpeg", "420p10", "444alpha", "mono16".
void take_layout(std::string_view text, Header& header, const std::string& name) {
  const Layout* found = nullptr;
  for (const Layout& layout : kLayouts) {
    if (text.starts_with(layout.name)) found = &layout;
  }
  std::string_view rest = found == nullptr ? text : text.substr(found->name.size());
  const bool alpha = rest == "alpha";
  if (alpha || rest == "jpeg" || rest == "mpeg2" || rest == "paldv") rest = {};
  std::optional<std::int64_t> bits = 8;
  if (rest.starts_with('p')) rest.remove_prefix(1);
  if (!rest.empty()) bits = parse_int(rest);
  if (found == nullptr || !bits || *bits < 8 || *bits > 16)
    throw Error(name, fmt::format("has frames of the kind \"{}\", which is not read", printable(text)));
  header.layout = *found;
  header.layout.alpha = alpha;
  header.bits = static_cast<std::size_t>(*bits);
}

// "30000:1001"; 0:0 is unknown.
double rate_in(std::string_view text, const std::string& name) {
  const auto parts = split(text, ':');
  const auto over = parse_int(parts[0]), under = parts.size() == 2 ? parse_int(parts[1]) : std::nullopt;
  if (!over || !under || *over < 0 || *under < 0)
    throw Error(name, fmt::format("has \"{}\" as frames a second", printable(text)));
  if (*over == 0 || *under == 0) return 25;
  return static_cast<double>(*over) / static_cast<double>(*under);
}

Header header_in(std::string_view line, const std::string& name) {
  if (!line.starts_with(kMagic)) throw Error(name, fmt::format("does not start with {}", kMagic));
  Header header;
  for (const std::string_view field : split(line.substr(kMagic.size()), ' ')) {
    if (field.empty()) continue;
    const std::string_view value = field.substr(1);
    if (field[0] == 'W' || field[0] == 'H') {
      const auto side = parse_int(value);
      if (!side || *side < 1 || *side > (1 << 20))
        throw Error(name, fmt::format("declares a side of \"{}\" pixels", printable(value)));
      (field[0] == 'W' ? header.width : header.height) = static_cast<std::size_t>(*side);
    } else if (field[0] == 'F') {
      header.rate = rate_in(value, name);
    } else if (field[0] == 'C') {
      take_layout(value, header, name);
    } else if (field == "XCOLORRANGE=FULL") {
      header.full_range = true;
    }
  }
  if (header.width == 0 || header.height == 0) throw Error(name, "declares no width or no height");
  return header;
}

std::uint8_t to_byte(double x) { return static_cast<std::uint8_t>(std::clamp(std::nearbyint(x), 0.0, 255.0)); }

class Y4mVideo final : public Video {
 public:
  Y4mVideo(std::unique_ptr<ByteSource> source, std::string name, const VideoLimits& limits)
      : source_(std::move(source)), name_(std::move(name)) {
    std::uint64_t at = 0;
    header_ = header_in(line_at(at), name_);
    check_extent(header_.width, header_.height, 3, static_cast<std::size_t>(source_->size()), name_, limits.frame);
    find_frames(at, limits);
    for (std::size_t i = 0; i < frames_.size(); ++i) times_->starts.push_back(static_cast<double>(i) / header_.rate);
    times_->duration = static_cast<double>(frames_.size()) / header_.rate;
  }

  std::shared_ptr<const VideoTimes> times() const override { return times_; }

  // ITU-R BT.601, chroma of the nearest place: what swscale does with a video that says nothing of its colours.
  Image frame(std::size_t i) override {
    const std::size_t width = header_.width, height = header_.height, bytes = header_.sample_bytes();
    planes_.resize(header_.frame_bytes());
    if (source_->read(frames_.at(i), planes_) < planes_.size()) throw Error(name_, fmt::format("frame {} is cut", i));
    const std::size_t luma = width * height * bytes;
    const std::size_t chroma_width = header_.chroma_width(), chroma = chroma_width * header_.chroma_height() * bytes;
    const bool grey = header_.layout.across == 0;
    Image image = blank_image(DType::u8, height, width, 3);
    std::uint8_t* out = image.pixels.as<std::uint8_t>().data();
    const double low = header_.full_range ? 0 : 16, gain = header_.full_range ? 1 : 255.0 / 219;
    const double spread = header_.full_range ? 1 : 255.0 / 224;
    for (std::size_t row = 0; row < height; ++row) {
      for (std::size_t column = 0; column < width; ++column, out += 3) {
        const double y = (sample(0, row * width + column) - low) * gain;
        double u = 0, v = 0;
        if (!grey) {
          const std::size_t place = row / header_.layout.down * chroma_width + column / header_.layout.across;
          u = (sample(luma, place) - 128) * spread;
          v = (sample(luma + chroma, place) - 128) * spread;
        }
        out[0] = to_byte(y + 1.402 * v);
        out[1] = to_byte(y - 0.344136 * u - 0.714136 * v);
        out[2] = to_byte(y + 1.772 * u);
      }
    }
    return image;
  }

 private:
  // One of a plane that starts at byte `plane`, on the scale of 8 bits.
  double sample(std::size_t plane, std::size_t i) const {
    if (header_.bits == 8) return std::to_integer<unsigned>(planes_[plane + i]);
    const std::size_t at = plane + 2 * i;
    const unsigned value = std::to_integer<unsigned>(planes_[at]) | std::to_integer<unsigned>(planes_[at + 1]) << 8;
    return static_cast<double>(value) / static_cast<double>(1U << (header_.bits - 8));
  }

  // The line that starts at `at`, which moves behind its end.
  std::string line_at(std::uint64_t& at) {
    std::string line(std::min<std::uint64_t>(kMostLine, source_->size() - at), '\0');
    line.resize(source_->read(at, std::as_writable_bytes(std::span(line))));
    const std::size_t end = line.find('\n');
    if (end == std::string::npos) {
      throw Error(name_, fmt::format("has no end of line within {} bytes behind byte {}", line.size(), at),
                  "it is cut or damaged: copy it again");
    }
    line.resize(end);
    at += end + 1;
    return line;
  }

  void find_frames(std::uint64_t at, const VideoLimits& limits) {
    const std::uint64_t bytes = header_.frame_bytes();
    while (at < source_->size()) {
      const std::size_t number = frames_.size();
      if (number == limits.max_frames) throw Error(name_, fmt::format("has more than {} frames", number));
      std::uint64_t data = at;
      try {
        const std::string line = line_at(data);
        if (line != "FRAME" && !line.starts_with("FRAME "))
          throw Error(name_, fmt::format("frame {} does not start with FRAME at byte {}", number, at));
        if (bytes > source_->size() - data) {
          throw Error(name_, fmt::format("frame {} ends after {} of {} bytes", number, source_->size() - data, bytes),
                      "it is cut: copy it again, or --salvage");
        }
      } catch (const Error&) {
        if (limits.salvage && number > 0) return;
        throw;
      }
      frames_.push_back(data);
      at = data + bytes;
    }
    if (frames_.empty()) throw Error(name_, "has no frames");
  }

  std::unique_ptr<ByteSource> source_;
  std::string name_;
  Header header_;
  std::vector<std::uint64_t> frames_;  // where their planes start
  std::shared_ptr<VideoTimes> times_ = std::make_shared<VideoTimes>();
  std::vector<std::byte> planes_;
};

}  // namespace

std::unique_ptr<Video> open_y4m(std::unique_ptr<ByteSource> source, std::string name, const VideoLimits& limits) {
  return std::make_unique<Y4mVideo>(std::move(source), std::move(name), limits);
}

}  // namespace mt::formats
