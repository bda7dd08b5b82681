#include "decode/lzf.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

// A control byte below 32 is followed by that many literal bytes and one more. Any other is a copy from earlier output:
// three bits of length (7: one more byte of it) and thirteen of distance, both stored less their least value.
std::vector<std::byte> lzf_unpacked(std::span<const std::byte> packed, std::uint64_t size, std::string_view where) {
  if (size > packed.size() * kMaxLzfRatio) {
    throw Error(where, fmt::format("{} compressed bytes cannot hold {}", packed.size(), size));
  }
  const Error damaged(where, "its compressed data are damaged");
  std::vector<std::byte> out;
  out.reserve(size);
  std::size_t at = 0;
  const auto take = [&]() -> std::size_t {
    if (at == packed.size()) throw damaged;
    return std::to_integer<std::size_t>(packed[at++]);
  };
  while (at < packed.size()) {
    const std::size_t control = take();
    if (control < 32) {
      const std::size_t literals = control + 1;
      if (literals > packed.size() - at || literals > size - out.size()) throw damaged;
      out.insert(out.end(), packed.begin() + static_cast<std::ptrdiff_t>(at),
                 packed.begin() + static_cast<std::ptrdiff_t>(at + literals));
      at += literals;
      continue;
    }
    std::size_t length = control >> 5;
    if (length == 7) length += take();
    length += 2;
    const std::size_t distance = ((control & 31) << 8) + take() + 1;
    if (distance > out.size() || length > size - out.size()) throw damaged;
    for (std::size_t i = 0; i < length; ++i) out.push_back(out[out.size() - distance]);  // may overlap itself
  }
  if (out.size() != size) throw Error(where, fmt::format("decompresses to {} bytes, declares {}", out.size(), size));
  return out;
}

}  // namespace mt
