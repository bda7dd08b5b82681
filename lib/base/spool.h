// A temporary file without a name: written, read back, gone with the process however it ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

namespace mt {

class Spool {
 public:
  // The file is made at the first append. Errors tell the user about directory.
  explicit Spool(std::filesystem::path directory);

  void append(std::span<const std::byte> bytes);
  std::uint64_t size() const { return size_; }

  // All bytes in order, in blocks of whole multiples of unit bytes (at least 1; size() must be a multiple).
  void for_each_block(std::size_t unit, const std::function<void(std::span<const std::byte>)>& visit);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path directory_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t size_ = 0;
};

}  // namespace mt
