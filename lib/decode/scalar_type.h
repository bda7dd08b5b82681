// Numbers of the types that PLY and PCD declare, read from bytes of either order.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mt {

struct ScalarType {
  char kind = 'f';        // i signed, u unsigned, f float
  std::size_t bytes = 4;  // 1, 2, 4, 8; of f 4 or 8

  bool operator==(const ScalarType&) const = default;
};

// bytes: at least type.bytes of them. Whole numbers beyond 2^53 are rounded.
inline double read_scalar(const ScalarType& type, const std::byte* bytes, bool big_endian) {
  std::array<std::byte, 8> ordered{};
  std::copy_n(bytes, type.bytes, ordered.begin());
  if (big_endian) std::reverse(ordered.begin(), ordered.begin() + static_cast<std::ptrdiff_t>(type.bytes));
  std::uint64_t bits = 0;
  std::memcpy(&bits, ordered.data(), sizeof bits);
  if (type.kind == 'f' && type.bytes == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  if (type.kind == 'f') return std::bit_cast<double>(bits);
  if (type.kind == 'u') return static_cast<double>(bits);
  const std::size_t unused = 64 - 8 * type.bytes;  // bits of sign to fill in
  return static_cast<double>(static_cast<std::int64_t>(bits << unused) >> unused);
}

}  // namespace mt
