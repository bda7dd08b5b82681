#include "base/random.h"

#include <algorithm>
#include <numeric>

#include <doctest/doctest.h>

using namespace mt;

TEST_CASE("philox: the published known answers") {
  // kat_vectors of Random123 1.14: philox 4x32, 10 rounds.
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("random: streams differ, equal keys repeat") {
  Random a(1, 2), b(1, 2), c(1, 3);
  const std::uint64_t first = a.next_u64();
  CHECK(first == b.next_u64());
  CHECK(first != c.next_u64());
}

TEST_CASE("random: normal numbers have mean 0 and variance 1") {
  Random random(7);
  double sum = 0, squares = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
  }
  CHECK(sum / kCount == doctest::Approx(0).epsilon(0.02));  // five standard errors
  CHECK(squares / kCount == doctest::Approx(1).epsilon(0.03));
}

TEST_CASE("permutation: every number once") {
  Random random(3);
  std::vector<std::size_t> order = permutation(1000, random);
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) REQUIRE(order[i] == i);
}
