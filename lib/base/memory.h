// How much memory a program may plan with.
#pragma once

#include <cstdint>

namespace mt {

// The machine's memory, or the cgroup's limit where that is less, in bytes.
std::uint64_t total_memory();

}  // namespace mt
