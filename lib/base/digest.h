// SHA-256 of contents, and of unordered sets of samples.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace mt {

using Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& update(std::span<const std::byte> bytes);
  Sha256& update(std::string_view bytes);
  Digest finish();  // resets, so that the object can be used again

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest sha256(std::string_view bytes);
Digest sha256(std::span<const std::byte> bytes);
Digest sha256_file(const std::filesystem::path& path);  // streams; throws Error
std::string hex(const Digest& digest);                  // 64 digits
Digest digest_from_hex(std::string_view text);          // throws Error

// Digest of a set of (id, content digest) pairs, independent of their order and computable shard by shard: the sum
// modulo 2^256 of SHA-256(length of id, id, content). Memory stays constant however many samples there are.
class SetDigest {
 public:
  void add(std::string_view id, const Digest& content);
  void add(const SetDigest& shard);    // the union of two disjoint sets
  void remove(const SetDigest& part);  // what is left of a union without that part
  Digest value() const { return sum_; }
  static SetDigest from(const Digest& value);

 private:
  Digest sum_{};  // little-endian integer
};

// CRC-32 of zlib (polynomial 0xEDB88320), as frames carry it.
std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t previous = 0);

}  // namespace mt
