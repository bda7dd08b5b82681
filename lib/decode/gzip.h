// Gzip from front to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace mt {

// One byte of deflate gives at most this many: what a compressed file declares beyond it cannot be there.
inline constexpr std::uint64_t kMaxDeflateRatio = 1032;

bool is_gzip(std::span<const std::byte> bytes);

// Members one behind the other count as one, as gunzip has it.
class GzipReader {
 public:
  GzipReader(std::span<const std::byte> bytes, std::string where);  // bytes stay the caller's
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  // As many bytes as there are, at most out.size(); fewer only at the end, after the checksums agreed. Throws Error:
  // damaged, cut.
  std::size_t read_some(std::span<std::byte> out);
  // Exactly out.size() bytes; throws Error, too, when there are fewer.
  void read(std::span<std::byte> out);

 private:
  struct State;
  std::string where_;
  std::unique_ptr<State> state_;
  std::uint64_t total_ = 0;
};

}  // namespace mt
