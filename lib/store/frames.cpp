#include "store/frames.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/files.h"
#include "base/interrupt.h"

namespace mt {

namespace {

constexpr std::array<char, 4> kMagic = {'M', 'T', '5', 'S'};
constexpr std::uint32_t kVersion = 1;

template <class T>
void put(std::byte* at, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i) at[i] = static_cast<std::byte>(value >> (8 * i));
}

template <class T>
T take(const std::byte* at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value |= static_cast<T>(static_cast<T>(at[i]) << (8 * i));
  return value;
}

}  // namespace

bool begins_a_frame(std::span<const std::byte> first_bytes) {
  return first_bytes.size() >= kMagic.size() && std::memcmp(first_bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

void FrameSink::write(FrameKind kind, std::span<const std::byte> image) {
  if (image.size() > kLongestFrame) {
    throw Error(where_, fmt::format("a sample takes {} bytes, the limit is {}", image.size(), kLongestFrame));
  }
  std::array<std::byte, kFrameHeaderBytes> header{};
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  put(&header[4], kVersion);
  put(&header[8], static_cast<std::uint32_t>(kind));
  put(&header[12], number_);
  put(&header[16], std::uint64_t{image.size()});
  put(&header[24], crc32_of(std::span(header).first(24)));
  std::array<std::byte, 4> crc{};
  put(crc.data(), crc32_of(image));
  write_all(descriptor_, header, where_);
  write_all(descriptor_, image, where_);
  write_all(descriptor_, crc, where_);
  ++number_;
}

std::size_t FrameSource::read(std::span<std::byte> out) {
  std::size_t filled = std::min(out.size(), first_bytes_.size());
  std::copy_n(first_bytes_.begin(), filled, out.begin());
  first_bytes_.erase(first_bytes_.begin(), first_bytes_.begin() + static_cast<std::ptrdiff_t>(filled));
  while (filled < out.size()) {
    const ssize_t got = ::read(descriptor_, out.data() + filled, out.size() - filled);
    if (got == 0) break;
    if (got < 0 && errno != EINTR) throw system_error(where_, "read", errno);
    if (got < 0) throw_if_interrupted();
    filled += static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  }
  return filled;
}

std::optional<Frame> FrameSource::next() {
  std::array<std::byte, kFrameHeaderBytes> header{};
  const std::size_t got = read(header);
  if (got == 0) return std::nullopt;
  if (got < header.size()) throw DamagedFrame(where_, fmt::format("is cut within frame {}", number_));
  const bool sound =
      begins_a_frame(header) && take<std::uint32_t>(&header[24]) == crc32_of(std::span(header).first(24));
  if (!sound) throw DamagedFrame(where_, fmt::format("is damaged where frame {} begins", number_));
  if (const auto version = take<std::uint32_t>(&header[4]); version != kVersion) {
    throw Error(where_, fmt::format("is a stream of version {}, this release reads version {}", version, kVersion),
                "use the same release on both sides");
  }
  Frame frame;
  const auto kind = take<std::uint32_t>(&header[8]);
  frame.number = take<std::uint32_t>(&header[12]);
  const auto length = take<std::uint64_t>(&header[16]);
  if (kind < 1 || kind > 3 || frame.number != number_) {
    throw DamagedFrame(where_,
                       fmt::format("frame {} of kind {} stands where frame {} should", frame.number, kind, number_));
  }
  if (length > kLongestFrame) {
    throw DamagedFrame(where_,
                       fmt::format("frame {} declares {} bytes, the limit is {}", number_, length, kLongestFrame));
  }
  frame.kind = static_cast<FrameKind>(kind);
  constexpr std::size_t kStep = std::size_t{16} << 20;
  while (frame.image.size() < length) {
    const std::size_t old = frame.image.size(), step = std::min<std::uint64_t>(kStep, length - old);
    frame.image.resize(old + step);
    if (read(std::span(frame.image).subspan(old)) < step) {
      throw DamagedFrame(where_, fmt::format("is cut within frame {}", number_));
    }
  }
  std::array<std::byte, 4> crc{};
  if (read(crc) < crc.size()) throw DamagedFrame(where_, fmt::format("is cut within frame {}", number_));
  if (take<std::uint32_t>(crc.data()) != crc32_of(frame.image)) {
    throw DamagedFrame(where_, fmt::format("frame {} is damaged: its checksum does not match", number_));
  }
  ++number_;
  return frame;
}

}  // namespace mt
