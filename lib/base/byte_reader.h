// The one way to read binary headers: little-endian, bounds-checked, no pointer arithmetic.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

// Reads forward through bytes that somebody else owns; every take throws Error(where, "ends after ...") at the end.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string where, std::uint64_t position = 0)
      : bytes_(bytes), where_(std::move(where)) {
    seek(position);
  }

  // The next number, little-endian.
  template <class T>
  T take() {
    static_assert(std::is_arithmetic_v<T> && std::endian::native == std::endian::little);
    T value;
    std::memcpy(&value, take_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::span<const std::byte> take_bytes(std::uint64_t count) {
    require(count);
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }
  std::string_view take_text(std::uint64_t count) {
    const auto taken = take_bytes(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  void skip(std::uint64_t count) { take_bytes(count); }
  void seek(std::uint64_t position) {
    if (position > bytes_.size()) {
      throw Error(where_, fmt::format("points at byte {}, but has only {}", position, bytes_.size()));
    }
    position_ = position;
  }

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }
  const std::string& where() const { return where_; }

 private:
  void require(std::uint64_t count) const {
    if (count <= remaining()) return;
    throw Error(where_,
                fmt::format("ends after {} bytes, {} more were expected at byte {}", bytes_.size(), count, position_));
  }

  std::span<const std::byte> bytes_;
  std::string where_;
  std::uint64_t position_ = 0;
};

}  // namespace mt
