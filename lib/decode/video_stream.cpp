#include "decode/video_stream.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"

namespace mt {

namespace {

constexpr std::string_view kMagic = "YUV4MPEG2";

// Up to `most` bytes; fewer at the end only.
std::string read_standard_input(std::size_t most) {
  std::string bytes(most, '\0');
  std::size_t done = 0;
  while (done < most) {
    const ssize_t got = ::read(STDIN_FILENO, bytes.data() + done, most - done);
    if (got < 0 && errno == EINTR) {
      throw_if_interrupted();
      continue;
    }
    if (got < 0) throw system_error("standard input", "read", errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

VideoStream take_video_stream(MediaSourceOptions& options) {
  const auto named = std::find(options.inputs.begin(), options.inputs.end(), "-");
  if (named == options.inputs.end()) return {};
  options.list_start = read_standard_input(kMagic.size());
  if (options.list_start != kMagic) return {};
  if (std::count(options.inputs.begin(), options.inputs.end(), "-") > 1)
    throw UsageError("-", "standard input was named twice");
  VideoStream file = unnamed_file(options.temporary_directory);
  std::string block = std::exchange(options.list_start, {});
  while (!block.empty()) {
    throw_if_interrupted();
    write_all(file.get(), std::as_bytes(std::span(block)), options.temporary_directory);
    block = read_standard_input(std::size_t{1} << 20);
  }
  *named = fmt::format("/proc/self/fd/{}", file.get());
  options.names[*named] = "stdin.y4m";
  return file;
}

}  // namespace mt
