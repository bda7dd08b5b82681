// What threads of a card read and write, and the checks that a card does not do: nothing outside, nothing misaligned,
// nothing that was never written, and no two threads at the same byte, one of them writing, unless a barrier is between
// them.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace mt::ptx {

// A kernel did what it must not; ptx::run() says which thread at which line.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The card's memory: buffers of the host, far from each other, at addresses of their own that are multiples of 16 and
// of no more. For one launch, since every thread of a launch may run at any time: a byte that one thread writes is no
// other's, barrier or not.
class GlobalMemory {
 public:
  // The pointer to give to a kernel, which alone can follow it. Nothing of an output can be read before it is written.
  template <class T>
  const T* input(const std::vector<T>& values) {
    return std::bit_cast<const T*>(add(std::as_bytes(std::span(values)), nullptr, true));
  }
  template <class T>
  T* output(std::vector<T>& values) {
    return std::bit_cast<T*>(add(std::as_bytes(std::span(values)), bytes_of(values), false));
  }
  template <class T>
  T* in_place(std::vector<T>& values) {
    return std::bit_cast<T*>(add(std::as_bytes(std::span(values)), bytes_of(values), true));
  }

  // Of thread number `thread` of the launch; throw Fault.
  void read(std::uint32_t thread, std::uint64_t address, unsigned bytes, std::byte* to);
  void write(std::uint32_t thread, std::uint64_t address, unsigned bytes, const std::byte* from);

 private:
  struct Byte {
    std::uint32_t writer, reader;
    bool is_written;
  };
  struct Buffer {
    std::uint64_t begin;
    const std::byte* content;
    std::byte* writable;  // null: it is not
    std::vector<Byte> bytes;
  };

  template <class T>
  static std::byte* bytes_of(std::vector<T>& values) {
    return std::as_writable_bytes(std::span(values)).data();
  }
  std::uint64_t add(std::span<const std::byte> content, std::byte* writable, bool is_written);
  Buffer& buffer_at(std::uint64_t address, unsigned bytes);

  std::vector<Buffer> buffers_;
};

// Who comes to shared memory, and when: after how many barriers of the block, and of the warp.
struct Visit {
  static constexpr std::uint16_t kNobody = 0xFFFF, kSeveral = 0xFFFE;
  std::uint32_t interval = 0, interval_of_warp = 0;
  std::uint16_t thread = kNobody, warp = kNobody;  // several threads of a warp, several warps
};

// The shared memory of one block; addresses begin at kSharedBegin.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t bytes) : content_(bytes), bytes_(bytes) {}

  void read(const Visit& visit, std::uint64_t address, unsigned bytes, std::byte* to);
  void write(const Visit& visit, std::uint64_t address, unsigned bytes, const std::byte* from);
  // 16 bytes that nobody may touch until they have come, which is when `visit` waited for them.
  void begin_copy(const Visit& visit, std::uint64_t address);
  void end_copy(const Visit& visit, std::uint64_t address, const std::array<std::byte, 16>& from);

 private:
  struct Byte {
    Visit write, read;  // the last ones
    bool is_coming = false;
  };
  std::size_t offset_of(std::uint64_t address, unsigned bytes) const;
  void mark_write(const Visit& visit, std::size_t offset, unsigned bytes);

  std::vector<std::byte> content_;
  std::vector<Byte> bytes_;
};

}  // namespace mt::ptx
