// The stream of frames that goes through pipes and into journals. A frame is
//
//   bytes 0-3    "MT5S"
//         4-7    version of the stream, 1                 all numbers little-endian, unsigned
//         8-11   kind: 1 header, 2 batch, 3 end
//         12-15  number of the frame, from 0
//         16-23  length of the image that follows, at most kLongestFrame
//         24-27  CRC-32 of bytes 0-23
//         ...    the image: a small complete HDF5 file
//         4      CRC-32 of the image
//
// The first frame is the header, the last one the end; a stream without its end was cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mt {

enum class FrameKind : std::uint32_t { header = 1, batch = 2, end = 3 };

inline constexpr std::size_t kFrameHeaderBytes = 28, kFrameBytes = kFrameHeaderBytes + 4;  // without the image
inline constexpr std::uint64_t kLongestFrame = std::uint64_t{4} << 30;  // one sample of 2 GiB with all its columns

// A frame that was cut or altered, as opposed to one that could not be read.
class DamagedFrame : public Error {
 public:
  using Error::Error;
};

struct Frame {
  FrameKind kind = FrameKind::header;
  std::uint32_t number = 0;
  std::vector<std::byte> image;
  std::uint64_t bytes() const { return kFrameBytes + image.size(); }
};

bool begins_a_frame(std::span<const std::byte> first_bytes);  // at least 4

// Writes frame after frame to a descriptor that somebody else closes.
class FrameSink {
 public:
  FrameSink(int descriptor, std::string where, std::uint32_t next_number = 0)
      : descriptor_(descriptor), where_(std::move(where)), number_(next_number) {}
  // Throws Error; then the descriptor may hold part of a frame.
  void write(FrameKind kind, std::span<const std::byte> image);

 private:
  int descriptor_;
  std::string where_;
  std::uint32_t number_;
};

// Reads frame after frame from a descriptor that somebody else closes.
class FrameSource {
 public:
  // first_bytes: read from the descriptor before, to see what it is.
  FrameSource(int descriptor, std::string where, std::vector<std::byte> first_bytes = {})
      : descriptor_(descriptor), where_(std::move(where)), first_bytes_(std::move(first_bytes)) {}
  // nullopt where the bytes end between two frames. Throws DamagedFrame: cut, wrong checksum, out of order, longer than
  // kLongestFrame; Error: not readable, a newer version. Memory grows with the bytes that arrive, not with the claim.
  std::optional<Frame> next();

 private:
  std::size_t read(std::span<std::byte> out);

  int descriptor_;
  std::string where_;
  std::vector<std::byte> first_bytes_;
  std::uint32_t number_ = 0;
};

}  // namespace mt
