#include "base/checked.h"

#include <limits>

#include <doctest/doctest.h>

using namespace mt;

TEST_CASE("checked arithmetic: what does not fit is an error, never a small number") {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  CHECK(checked_mul<std::uint64_t>(3, 4, "f") == 12);
  CHECK_THROWS_AS(checked_mul<std::uint64_t>(kMax, 2, "f"), Error);
  CHECK_THROWS_AS(checked_add<std::uint64_t>(kMax, 1, "f"), Error);
  CHECK(checked_align<std::uint64_t>(65, 64, "f") == 128);
  CHECK(checked_align<std::uint64_t>(64, 64, "f") == 64);
  CHECK_THROWS_AS(checked_align<std::uint64_t>(kMax, 64, "f"), Error);
  CHECK_THROWS_AS((checked_cast<std::uint32_t>(std::int64_t{-1}, "f")), Error);
  CHECK_THROWS_AS((checked_cast<std::int32_t>(std::uint64_t{1} << 31, "f")), Error);
  CHECK((checked_cast<std::int32_t>(std::uint64_t{7}, "f")) == 7);
}
