#include "base/memory.h"

#include <doctest/doctest.h>

namespace mt {

TEST_CASE("memory: the total is what a machine can have") {
  CHECK(total_memory() > (std::uint64_t{16} << 20));
  CHECK(total_memory() < (std::uint64_t{1} << 50));
}

}  // namespace mt
