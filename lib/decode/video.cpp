#include "decode/video.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/files.h"
#include "decode/file_list.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostPictureBytes = std::uint64_t{1} << 31;
constexpr double kFolderRate = 25;  // frames a second of a directory, as ffmpeg takes it

class FileSource final : public formats::ByteSource {
 public:
  explicit FileSource(const fs::path& path) : name_(path.string()) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) throw system_error(name_, "open", error ? error.value() : ENOENT);
    if (!fs::is_regular_file(status)) throw Error(name_, "is not a regular file");
    file_ = Descriptor(path, O_RDONLY, "open");
    size_ = fs::file_size(path, error);
    if (error) throw system_error(name_, "look at", error.value());
  }
  std::uint64_t size() const override { return size_; }
  std::size_t read(std::uint64_t position, std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got =
          ::pread(file_.get(), out.data() + done, out.size() - done, static_cast<off_t>(position + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw system_error(name_, "read", errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  std::string name_;
  Descriptor file_;
  std::uint64_t size_ = 0;
};

class MemorySource final : public formats::ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  std::size_t read(std::uint64_t position, std::span<std::byte> out) override {
    if (position >= bytes_.size()) return 0;
    const std::size_t got = std::min<std::uint64_t>(out.size(), bytes_.size() - position);
    std::memcpy(out.data(), bytes_.data() + position, got);
    return got;
  }

 private:
  std::span<const std::byte> bytes_;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Numbers within names by their value, all else bytewise; equal numbers of other lengths bytewise in the end.
bool natural_less(const std::string& a, const std::string& b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!is_digit(a[i]) || !is_digit(b[j])) {
      if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i, ++j;
      continue;
    }
    while (i < a.size() && a[i] == '0') ++i;
    while (j < b.size() && b[j] == '0') ++j;
    const std::size_t first_a = i, first_b = j;
    while (i < a.size() && is_digit(a[i])) ++i;
    while (j < b.size() && is_digit(b[j])) ++j;
    if (i - first_a != j - first_b) return i - first_a < j - first_b;
    if (const int order = a.compare(first_a, i - first_a, b, first_b, j - first_b); order != 0) return order < 0;
  }
  if (i < a.size() || j < b.size()) return i == a.size();
  return a < b;
}

class FrameFolder final : public Video {
 public:
  FrameFolder(fs::path folder, const VideoLimits& limits) : folder_(std::move(folder)), limits_(limits) {
    for (std::string& name : list_files(folder_, frame_extensions())) {
      if (name.find('/') == std::string::npos) names_.push_back(std::move(name));
    }
    if (names_.empty()) throw Error(folder_.string(), "holds no pictures");
    std::sort(names_.begin(), names_.end(), natural_less);
    for (std::size_t i = 0; i < names_.size(); ++i) times_->starts.push_back(static_cast<double>(i) / kFolderRate);
    times_->duration = static_cast<double>(names_.size()) / kFolderRate;
  }
  std::shared_ptr<const VideoTimes> times() const override { return times_; }
  Image frame(std::size_t i) override {
    const fs::path path = folder_ / names_.at(i);
    return decode_image(read_file(path, kMostPictureBytes), path.string(), limits_.frame);
  }

 private:
  fs::path folder_;
  VideoLimits limits_;
  std::vector<std::string> names_;
  std::shared_ptr<VideoTimes> times_ = std::make_shared<VideoTimes>();
};

}  // namespace

std::size_t VideoTimes::shown_at(double seconds) const {
  const auto behind = std::upper_bound(starts.begin(), starts.end(), seconds);
  return behind == starts.begin() ? 0 : static_cast<std::size_t>(behind - starts.begin()) - 1;
}

const std::vector<std::string_view>& video_extensions() {
  static const std::vector<std::string_view> extensions = {"mp4",  "m4v", "mov",  "avi", "mkv", "webm", "mpg",
                                                           "mpeg", "ts",  "m2ts", "mts", "flv", "wmv",  "asf",
                                                           "ogv",  "3gp", "vob",  "y4m", "gif"};
  return extensions;
}

const std::vector<std::string_view>& frame_extensions() {
  static const std::vector<std::string_view> extensions = {"jpg", "jpeg", "png", "bmp",  "pnm", "pgm",
                                                           "ppm", "tga",  "tif", "tiff", "webp"};
  return extensions;
}

std::unique_ptr<Video> open_video(const fs::path& path, const VideoLimits& limits,
                                  const std::shared_ptr<const VideoTimes>& times) {
  std::error_code error;
  if (fs::is_directory(path, error)) return std::make_unique<FrameFolder>(path, limits);
  std::unique_ptr<formats::ByteSource> source = formats::file_source(path);
  if (source->size() == 0) throw Error(path.string(), "is empty");
  char head[10] = {};
  const std::size_t got = source->read(0, std::as_writable_bytes(std::span(head)));
  const std::string_view magic(head, got);
  if (magic.starts_with("YUV4MPEG2")) return formats::open_y4m(std::move(source), path.string(), limits);
  if (magic.starts_with("GIF8")) return formats::open_gif(std::move(source), path.string(), limits);
  return formats::open_ffmpeg(std::move(source), path.string(), limits, times);
}

namespace formats {

std::unique_ptr<ByteSource> file_source(const fs::path& path) { return std::make_unique<FileSource>(path); }
std::unique_ptr<ByteSource> memory_source(std::span<const std::byte> bytes) {
  return std::make_unique<MemorySource>(bytes);
}

}  // namespace formats

}  // namespace mt
