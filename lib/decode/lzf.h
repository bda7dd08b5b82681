// LibLZF's format (Marc Lehmann), in which PCD files are compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace mt {

// Three bytes give at most 264.
inline constexpr std::uint64_t kMaxLzfRatio = 88;

// Exactly size bytes; throws Error(where, ...) when packed is damaged or gives another number of them. Nothing is
// allocated for a size beyond what packed can hold.
std::vector<std::byte> lzf_unpacked(std::span<const std::byte> packed, std::uint64_t size, std::string_view where);

}  // namespace mt
