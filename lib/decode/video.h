// Videos as numbered frames: files through FFmpeg's libraries, YUV4MPEG2 and animated GIF by readers of our own,
// directories of pictures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decode/image.h"

namespace mt {

// When each frame of a video is shown: seconds from the first, rising.
struct VideoTimes {
  virtual ~VideoTimes() = default;
  std::vector<double> starts;  // [frames], never empty
  double duration = 0;         // until the last frame ends

  // The frame that is shown at this time: the last that has started; the first before it has.
  std::size_t shown_at(double seconds) const;
};

struct VideoLimits {
  ImageLimits frame;
  std::size_t max_frames = std::size_t{1} << 24;  // six days at 30 frames a second
  // Take what decodes of a damaged or cut video; else that is an error.
  bool salvage = false;
};

class Video {
 public:
  virtual ~Video() = default;
  virtual std::shared_ptr<const VideoTimes> times() const = 0;
  // Frame i as it is stored, with its rotation in Image::orientation. Rising i are cheap, others start over. Throws
  // Error: damaged, or frames of a size beyond the limits.
  virtual Image frame(std::size_t i) = 0;
};

// File extensions of videos, without dot; and of pictures that make up a directory of frames.
const std::vector<std::string_view>& video_extensions();
const std::vector<std::string_view>& frame_extensions();

// A file by its content, or a directory whose pictures are the frames, in the natural order of their names (2 before
// 10), 25 a second. times: of an earlier opening of the same file, which saves looking for them. Throws Error: unknown,
// damaged, without frames, a format whose library this build lacks. Nothing but this file is opened, whatever it names.
std::unique_ptr<Video> open_video(const std::filesystem::path& path, const VideoLimits& limits = {},
                                  const std::shared_ptr<const VideoTimes>& times = nullptr);

namespace formats {

// Bytes that can be read anywhere; read gives fewer than asked for at the end only.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::uint64_t size() const = 0;
  virtual std::size_t read(std::uint64_t position, std::span<std::byte> out) = 0;
};
std::unique_ptr<ByteSource> file_source(const std::filesystem::path& path);   // throws Error
std::unique_ptr<ByteSource> memory_source(std::span<const std::byte> bytes);  // that the caller keeps alive

std::unique_ptr<Video> open_y4m(std::unique_ptr<ByteSource> source, std::string name, const VideoLimits& limits);
std::unique_ptr<Video> open_gif(std::unique_ptr<ByteSource> source, std::string name, const VideoLimits& limits);
std::unique_ptr<Video> open_ffmpeg(std::unique_ptr<ByteSource> source, std::string name, const VideoLimits& limits,
                                   const std::shared_ptr<const VideoTimes>& times);

}  // namespace formats

}  // namespace mt
