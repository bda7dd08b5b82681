// Frames against the ffmpeg program's (tests/reference/make_video_goldens.py), and what broken videos do.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "decode/media_source.h"
#include "decode/video.h"
#include "support/goldens.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

const std::filesystem::path kFolder = std::string(MT_TESTS_DIR) + "/golden/video";

bool is_ours(const std::string& name) { return name.ends_with(".y4m") || name.ends_with(".gif"); }

bool has_ffmpeg() {
  try {
    open_video(kFolder / "b_frames.mp4");
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::byte> bytes_of(const std::string& name) { return read_file(kFolder / name, 1 << 20); }

// Everything that can be taken from a video, so that damage anywhere is met. Returns the frames.
std::size_t decode_all(std::span<const std::byte> bytes, const std::string& name, const VideoLimits& limits = {}) {
  auto source = formats::memory_source(bytes);
  std::unique_ptr<Video> video;
  if (name.ends_with(".y4m"))
    video = formats::open_y4m(std::move(source), name, limits);
  else if (name.ends_with(".gif"))
    video = formats::open_gif(std::move(source), name, limits);
  else
    video = formats::open_ffmpeg(std::move(source), name, limits, nullptr);
  const std::size_t frames = video->times()->starts.size();
  for (std::size_t i = 0; i < frames; ++i) video->frame(i);
  return frames;
}

std::string y4m_of(const std::string& header, std::size_t frames, std::size_t bytes) {
  std::string text = "YUV4MPEG2 " + header + "\n";
  for (std::size_t i = 0; i < frames; ++i) text += "FRAME\n" + std::string(bytes, static_cast<char>(16 + i));
  return text;
}

std::span<const std::byte> view(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

TEST_CASE("video: frames, times and rotation are those of ffmpeg") {
  const auto golden = test::golden("video/clips")["clips"];
  for (const auto& [name, clip] : golden.items()) {
    if (!is_ours(name) && !has_ffmpeg()) continue;
    CAPTURE(name);
    const auto video = open_video(kFolder / name);
    const auto& times = clip["times"];
    REQUIRE(video->times()->starts.size() == times.size());
    for (std::size_t i = 0; i < times.size(); ++i)
      CHECK(std::abs(video->times()->starts[i] - times[i].get<double>()) < 2e-3);  // Matroska's clock
    std::size_t at = times.size();
    Image image;
    int worst = 0;
    for (const auto& pixel : clip["pixels"]) {
      if (at != pixel[0]) image = oriented(video->frame(at = pixel[0]));
      const auto rgb = image.pixels.as<std::uint8_t>().subspan(
          (pixel[1].get<std::size_t>() * image.width() + pixel[2].get<std::size_t>()) * 3, 3);
      for (std::size_t c = 0; c < 3; ++c) worst = std::max(worst, std::abs(rgb[c] - pixel[3 + c].get<int>()));
    }
    // Y4M is converted without swscale's tables; its other versions and processors may round otherwise.
    CHECK(worst <= (name.ends_with(".y4m") ? 3 : 2));
  }
}

TEST_CASE("video: frames do not depend on which were taken before") {
  for (const char* name : {"b_frames.mp4", "mpeg4.avi", "vp9.webm", "variable.mkv", "animated.gif", "planes.y4m"}) {
    if (!is_ours(name) && !has_ffmpeg()) continue;
    CAPTURE(name);
    const auto forward = open_video(kFolder / name), backward = open_video(kFolder / name);
    std::vector<Image> images;
    const std::size_t n = forward->times()->starts.size();
    for (std::size_t i = 0; i < n; ++i) images.push_back(forward->frame(i));
    for (std::size_t i = n; i-- > 0;) {
      const Image image = backward->frame(i);
      REQUIRE(std::memcmp(image.pixels.data(), images[i].pixels.data(), image.pixels.size()) == 0);
    }
    // With the times of an earlier opening, and from the middle.
    const auto again = open_video(kFolder / name, {}, forward->times());
    const Image middle = again->frame(n - 1);
    CHECK(std::memcmp(middle.pixels.data(), images[n - 1].pixels.data(), middle.pixels.size()) == 0);
  }
}

TEST_CASE("video: cut anywhere it is refused, or gives no more frames than it had") {
  for (const char* name : {"b_frames.mp4", "mpeg4.avi", "vp9.webm", "variable.mkv", "animated.gif", "planes.y4m"}) {
    if (!is_ours(name) && !has_ffmpeg()) continue;
    CAPTURE(name);
    const std::vector<std::byte> bytes = bytes_of(name);
    const std::size_t frames = decode_all(bytes, name);
    std::size_t refused = 0;
    for (std::size_t length = 0; length < bytes.size(); length += std::max<std::size_t>(1, bytes.size() / 150)) {
      try {
        const std::size_t left = decode_all(std::span(bytes).first(length), name);
        CHECK(left <= frames);
      } catch (const Error&) {
        ++refused;
      }
      try {
        VideoLimits salvage;
        salvage.salvage = true;
        const std::size_t left = decode_all(std::span(bytes).first(length), name, salvage);
        CHECK(left <= frames);
      } catch (const Error&) {  // nothing there to salvage
      }
    }
    CHECK(refused > 0);
  }
}

TEST_CASE("y4m: a first line that is shorter than the format's name is refused") {
  for (const char* text : {"", "\n", "YUV4MPEG", "YUV4\nFRAME\n", "5:1 C420\nFRAME\n"}) {
    CAPTURE(text);
    const std::string bytes = text;
    CHECK_THROWS_AS(decode_all(view(bytes), "x.y4m"), Error);
  }
}

TEST_CASE("y4m: what is cut is refused by its frame, or salvaged up to it") {
  const std::string whole = y4m_of("W4 H2 F10:1 C420jpeg", 3, 12);
  CHECK(decode_all(view(whole), "x.y4m") == 3);
  CHECK_THROWS_WITH_AS(decode_all(view(whole).first(whole.size() - 1), "x.y4m"),
                       doctest::Contains("frame 2 ends after 11 of 12 bytes"), Error);
  VideoLimits limits;
  limits.salvage = true;
  CHECK(decode_all(view(whole).first(whole.size() - 1), "x.y4m", limits) == 2);
}

TEST_CASE("y4m: sizes that no file holds, and nonsense, are refused before memory is asked for") {
  for (const char* header : {"W0 H2", "W4", "W-4 H2", "W1048577 H1", "W1000000 H1000000", "W4 H2 F1", "W4 H2 C420p99",
                             "W4 H2 Cyes", "W99999999999999999999 H1", "W4 H2 F-1:1"}) {
    CAPTURE(header);
    CHECK_THROWS_AS(decode_all(view(y4m_of(header, 1, 12)), "x.y4m"), Error);
  }
  CHECK_THROWS_AS(decode_all(view("YUV4MPEG2 W4 H2\n"), "x.y4m"), Error);
  CHECK_THROWS_AS(decode_all(view("YUV4MPEG2 W4 H2\nFRAMES\n"), "x.y4m"), Error);
  CHECK_THROWS_AS(decode_all(view("YUV4MPEG2 W4 H2" + std::string(10000, ' ')), "x.y4m"), Error);
  CHECK(decode_all(view(y4m_of("W3 H3 Cmono", 1, 9)), "x.y4m") == 1);
  CHECK(decode_all(view(y4m_of("W3 H3 C444alpha F0:0", 1, 36)), "x.y4m") == 1);
  CHECK(decode_all(view(y4m_of("W5 H3 C411", 1, 15 + 2 * 6)), "x.y4m") == 1);
}

TEST_CASE("video: frames 2^63 apart are damage, not a difference of times") {
  if (!has_ffmpeg()) return;
  const auto number = [](std::uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
    return text;
  };
  const auto ivf = [&](std::int64_t first, std::int64_t second) {
    // IVF: signature, version, header size, codec, width, height, rate, scale, frames, unused; of a frame size and
    // time.
    std::string text = "DKIF" + number(0, 2) + number(32, 2) + "VP80" + number(16, 2) + number(16, 2) + number(5, 4) +
                       number(1, 4) + number(2, 4) + number(0, 4);
    for (const std::int64_t time : {first, second})
      text += number(10, 4) + number(static_cast<std::uint64_t>(time), 8) +
              std::string("\x10\x02\x00\x9d\x01\x2a\x10\x00\x10\x00", 10);
    return text;
  };
  const auto times = [](const std::string& text) {
    return formats::open_ffmpeg(formats::memory_source(view(text)), "x.ivf", {}, nullptr)->times()->starts;
  };
  CHECK(times(ivf(3, 8)).size() == 2);
  CHECK_THROWS_WITH_AS(times(ivf(0, std::int64_t{1} << 61)), doctest::Contains("is cut or damaged"), Error);
  CHECK_THROWS_AS(times(ivf(-8824656663412276736, 7589819306636243746)), Error);
}

TEST_CASE("video: a directory's pictures are its frames, 2 before 10") {
  const test::TemporaryDirectory directory;
  for (const int number : {10, 2, 1}) {
    std::ofstream(directory / ("img_" + std::to_string(number) + ".pgm"), std::ios::binary)
        << "P5\n2 1\n255\n"
        << static_cast<char>(number) << static_cast<char>(number);
  }
  const auto video = open_video(directory.path());
  REQUIRE(video->times()->starts.size() == 3);
  CHECK(video->times()->starts[2] == doctest::Approx(2.0 / 25));
  CHECK(video->frame(1).pixels.as<std::uint8_t>()[0] == 2);
  CHECK(video->frame(2).pixels.as<std::uint8_t>()[0] == 10);
}

TEST_CASE("video: a playlist opens no other file") {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "list.mp4") << "ffconcat version 1.0\nfile '" << (kFolder / "b_frames.mp4").string()
                                        << "'\n";
  CHECK_THROWS_AS(open_video(directory / "list.mp4"), Error);
  std::ofstream(directory / "list.avi") << "#EXTM3U\n#EXTINF:1,\n" << (kFolder / "b_frames.mp4").string() << "\n";
  CHECK_THROWS_AS(open_video(directory / "list.avi"), Error);
}

TEST_CASE("media source: segments, windows and directories of frames make one list") {
  const test::TemporaryDirectory directory;
  std::filesystem::create_directories(directory / "walk/img");
  std::ofstream(directory / "walk/img/1.png") << "x";
  std::ofstream(directory / "walk/a.y4m") << "x";
  std::ofstream(directory / "list.csv") << "path,label,start,duration\nwalk/a.y4m,go,1.5,2\nwalk/a.y4m,stop,4,\n";
  MediaSourceOptions options;
  options.extensions = video_extensions();
  options.frame_extensions = frame_extensions();
  options.inputs = {directory.path().string()};
  options.manifests = {(directory / "list.csv").string()};
  const auto duration = [](const std::filesystem::path&) { return 6.0; };
  const MediaSource whole(options, duration);
  REQUIRE(whole.size() == 4);
  CHECK(whole.id(0) == "walk/a.y4m");
  CHECK(whole.id(1) == "walk/img");
  CHECK(whole.id(2) == "walk/a.y4m#1.5");
  CHECK(whole.label(2) == 0);
  CHECK(whole.label(0) == -1);
  CHECK(whole.segment(2).duration == 2.0);

  options.window = 0.75;
  options.hop = 0.5;
  const MediaSource windows(options, duration);
  REQUIRE(windows.size() == 11 + 11 + 3 + 3);
  CHECK(windows.id(11) == "walk/img#0");
  CHECK(windows.id(24) == "walk/a.y4m#1.5#2");
  CHECK(windows.segment(24).start == doctest::Approx(2.5));
  CHECK(windows.label(27) == 1);
}

TEST_CASE("media source: times that are none are refused by their line") {
  const test::TemporaryDirectory directory;
  for (const char* row : {"a.wav,-1,", "a.wav,nan,", "a.wav,,0", "a.wav,1e300,", "a.wav,x,"}) {
    std::ofstream(directory / "list.csv") << "path,start,duration\n" << row << "\n";
    MediaSourceOptions options;
    options.manifests = {(directory / "list.csv").string()};
    const auto open = [&] { MediaSource source(options, nullptr); };
    CHECK_THROWS_WITH_AS(open(), doctest::Contains("line 2"), Error);
  }
}
