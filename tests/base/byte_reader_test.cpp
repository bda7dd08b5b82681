#include "base/byte_reader.h"

#include <array>
#include <limits>

#include <doctest/doctest.h>

using namespace mt;

TEST_CASE("byte reader: numbers are little-endian, and nothing is read past the end") {
  const std::array<std::byte, 6> bytes = {std::byte{1}, std::byte{2},   std::byte{3},
                                          std::byte{4}, std::byte{'o'}, std::byte{'k'}};
  ByteReader reader(bytes, "x.bin");
  CHECK(reader.take<std::uint32_t>() == 0x04030201);
  CHECK(reader.take_text(2) == "ok");
  CHECK(reader.remaining() == 0);
  CHECK_THROWS_WITH_AS(reader.take<std::uint8_t>(), "x.bin: ends after 6 bytes, 1 more were expected at byte 6", Error);
  reader.seek(3);
  CHECK_THROWS_AS(reader.take_bytes(std::numeric_limits<std::uint64_t>::max()), Error);
  CHECK_THROWS_AS(reader.seek(7), Error);
}
