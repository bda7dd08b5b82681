#include "base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/text.h"

namespace mt {

std::uint64_t total_memory() {
  constexpr std::uint64_t kUnknown = std::uint64_t{4} << 30;
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  std::uint64_t bytes =
      pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) : kUnknown;
  // cgroup version 2, version 1; "max" and absent files mean no limit.
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    std::string text;
    if (!(file >> text)) continue;
    if (const auto limit = parse_int(text); limit && *limit > 0)
      bytes = std::min(bytes, static_cast<std::uint64_t>(*limit));
  }
  return bytes;
}

}  // namespace mt
