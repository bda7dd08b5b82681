#include "base/digest.h"

#include <vector>

#include <doctest/doctest.h>

using namespace mt;

TEST_CASE("sha-256: the published test vectors") {  // FIPS 180-2, appendix B
  CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("set digest: order and grouping do not matter, ids and contents do") {
  SetDigest all, first, second, other;
  all.add("a", sha256("1"));
  all.add("b", sha256("2"));
  second.add("a", sha256("1"));
  first.add("b", sha256("2"));
  first.add(second);
  CHECK(first.value() == all.value());
  first.remove(second);
  second.remove(all);  // below zero and back
  second.add(first);
  CHECK(second.value() == Digest{});
  other.add("a", sha256("2"));
  other.add("b", sha256("1"));
  CHECK(other.value() != all.value());
  CHECK(digest_from_hex(hex(all.value())) == all.value());
}

TEST_CASE("crc-32: the check value of the polynomial") {
  const std::string_view text = "123456789";
  CHECK(crc32_of(std::as_bytes(std::span(text.data(), text.size()))) == 0xCBF43926u);
}

TEST_CASE("crc-32: any length at any place agrees with one bit at a time, in one piece and in two") {
  std::vector<std::byte> bytes(700);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i * 7 + i / 3);
  const auto plain = [](std::span<const std::byte> some) {
    std::uint32_t crc = ~0U;
    for (const std::byte b : some) {
      crc ^= static_cast<std::uint32_t>(b);
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0);
    }
    return ~crc;
  };
  for (std::size_t size = 0; size < 600; ++size) {
    const auto some = std::span<const std::byte>(bytes).subspan(size % 33, size);
    const std::size_t cut = size * 2 / 3;
    REQUIRE(crc32_of(some) == plain(some));
    REQUIRE(crc32_of(some.subspan(cut), crc32_of(some.first(cut))) == plain(some));
  }
}
