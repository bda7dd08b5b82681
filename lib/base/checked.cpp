#include "base/checked.h"

#include <fmt/format.h>

#include "base/text.h"

namespace mt {

void require_within(std::uint64_t bytes, std::uint64_t limit, std::string_view where, std::string_view what) {
  if (bytes <= limit) return;
  throw Error(where, fmt::format("{} would take {}, the limit is {}", what, human_bytes(bytes), human_bytes(limit)));
}

}  // namespace mt
