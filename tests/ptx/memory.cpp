#include "ptx/memory.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "ptx/program.h"

namespace mt::ptx {

namespace {

constexpr std::uint32_t kNobody = 0xFFFFFFFF, kSeveral = 0xFFFFFFFE;

std::string hexadecimal(std::uint64_t value) {
  std::string digits;
  do digits.insert(digits.begin(), "0123456789abcdef"[value % 16]);
  while ((value /= 16) != 0);
  return "0x" + digits;
}

void require_alignment(std::uint64_t address, unsigned bytes) {
  if (address % bytes != 0)
    throw Fault(std::to_string(bytes) + " bytes at " + hexadecimal(address) + ", which is no multiple of them");
}

// Is what was done before done for whoever comes now? PTX ISA, "Memory Consistency Model": within a thread, and across
// the barriers that both were at.
bool is_ordered(const Visit& before, const Visit& now) {
  if (before.thread == Visit::kNobody || before.interval < now.interval) return true;
  if (before.warp != now.warp) return false;
  return before.interval_of_warp < now.interval_of_warp ||
         (before.thread == now.thread && now.thread != Visit::kSeveral);
}

std::string name_of(const Visit& visit) {
  if (visit.warp == Visit::kSeveral) return "several warps";
  if (visit.thread == Visit::kSeveral) return "several lanes of warp " + std::to_string(visit.warp);
  return "thread " + std::to_string(visit.thread);
}

[[noreturn]] void race(const char* does, std::uint64_t address, const char* was, const Visit& before) {
  throw Fault(std::string("a race: it ") + does + " shared memory at " + hexadecimal(address) + ", which was " + was +
              " by " + name_of(before) + ", without a barrier between");
}

// The readers since the last barrier, in one: what one more adds to those of before.
Visit with(const Visit& before, const Visit& now) {
  if (before.thread == Visit::kNobody || before.interval < now.interval) return now;
  Visit both = now;
  if (before.warp != now.warp)
    both.warp = both.thread = Visit::kSeveral;
  else if (before.interval_of_warp == now.interval_of_warp && before.thread != now.thread)
    both.thread = Visit::kSeveral;
  return both;
}

}  // namespace

std::uint64_t GlobalMemory::add(std::span<const std::byte> content, std::byte* writable, bool is_written) {
  // 64 GiB apart, far beyond 32 bits.
  const std::uint64_t begin = 0x7F00'0000'0010 + (static_cast<std::uint64_t>(buffers_.size()) << 36);
  buffers_.push_back(
      {begin, content.data(), writable, std::vector<Byte>(content.size(), {kNobody, kNobody, is_written})});
  return begin;
}

GlobalMemory::Buffer& GlobalMemory::buffer_at(std::uint64_t address, unsigned bytes) {
  for (Buffer& buffer : buffers_) {
    const std::uint64_t offset = address - buffer.begin;
    if (address >= buffer.begin && offset + bytes <= buffer.bytes.size()) return buffer;
  }
  throw Fault(std::to_string(bytes) + " bytes at " + hexadecimal(address) + ", which are in no buffer");
}

void GlobalMemory::read(std::uint32_t thread, std::uint64_t address, unsigned bytes, std::byte* to) {
  require_alignment(address, bytes);
  Buffer& buffer = buffer_at(address, bytes);
  const std::size_t offset = address - buffer.begin;
  for (std::size_t i = offset; i < offset + bytes; ++i) {
    Byte& byte = buffer.bytes[i];
    if (!byte.is_written) throw Fault("it reads global memory at " + hexadecimal(address) + " before it is written");
    if (byte.writer != kNobody && byte.writer != thread)
      throw Fault("a race: it reads global memory at " + hexadecimal(address) + ", which another thread writes");
    byte.reader = byte.reader == kNobody || byte.reader == thread ? thread : kSeveral;
  }
  std::memcpy(to, buffer.content + offset, bytes);
}

void GlobalMemory::write(std::uint32_t thread, std::uint64_t address, unsigned bytes, const std::byte* from) {
  require_alignment(address, bytes);
  Buffer& buffer = buffer_at(address, bytes);
  if (buffer.writable == nullptr) throw Fault("it writes to an input at " + hexadecimal(address));
  const std::size_t offset = address - buffer.begin;
  for (std::size_t i = offset; i < offset + bytes; ++i) {
    Byte& byte = buffer.bytes[i];
    if ((byte.writer != kNobody && byte.writer != thread) || (byte.reader != kNobody && byte.reader != thread))
      throw Fault("a race: it writes global memory at " + hexadecimal(address) + ", where another thread is");
    byte.writer = thread;
    byte.is_written = true;
  }
  std::memcpy(buffer.writable + offset, from, bytes);
}

std::size_t SharedMemory::offset_of(std::uint64_t address, unsigned bytes) const {
  require_alignment(address, bytes);
  if (address < kSharedBegin || address + bytes > kSharedBegin + content_.size())
    throw Fault(std::to_string(bytes) + " bytes at " + hexadecimal(address) + ", outside of the block's " +
                std::to_string(content_.size()) + " bytes of shared memory at " + hexadecimal(kSharedBegin));
  return address - kSharedBegin;
}

void SharedMemory::read(const Visit& visit, std::uint64_t address, unsigned bytes, std::byte* to) {
  const std::size_t offset = offset_of(address, bytes);
  for (std::size_t i = offset; i < offset + bytes; ++i) {
    Byte& byte = bytes_[i];
    if (byte.is_coming)
      throw Fault("it reads shared memory at " + hexadecimal(address) + ", whose copy " + name_of(byte.write) +
                  " has not waited for");
    if (byte.write.thread == Visit::kNobody)
      throw Fault("it reads shared memory at " + hexadecimal(address) + ", which nobody has written");
    if (!is_ordered(byte.write, visit)) race("reads", address, "written", byte.write);
    byte.read = with(byte.read, visit);
  }
  std::memcpy(to, &content_[offset], bytes);
}

void SharedMemory::mark_write(const Visit& visit, std::size_t offset, unsigned bytes) {
  for (std::size_t i = offset; i < offset + bytes; ++i) {
    Byte& byte = bytes_[i];
    if (byte.is_coming)
      throw Fault("it writes shared memory at " + hexadecimal(kSharedBegin + i) + ", whose copy " +
                  name_of(byte.write) + " has not waited for");
    if (!is_ordered(byte.write, visit)) race("writes", kSharedBegin + i, "written", byte.write);
    if (!is_ordered(byte.read, visit)) race("writes", kSharedBegin + i, "read", byte.read);
    byte.write = visit;
  }
}

void SharedMemory::write(const Visit& visit, std::uint64_t address, unsigned bytes, const std::byte* from) {
  const std::size_t offset = offset_of(address, bytes);
  mark_write(visit, offset, bytes);
  std::memcpy(&content_[offset], from, bytes);
}

void SharedMemory::begin_copy(const Visit& visit, std::uint64_t address) {
  const std::size_t offset = offset_of(address, 16);
  mark_write(visit, offset, 16);
  for (std::size_t i = offset; i < offset + 16; ++i) bytes_[i].is_coming = true;
}

void SharedMemory::end_copy(const Visit& visit, std::uint64_t address, const std::array<std::byte, 16>& from) {
  const std::size_t offset = offset_of(address, 16);
  for (std::size_t i = offset; i < offset + 16; ++i) {
    bytes_[i].write = visit;
    bytes_[i].is_coming = false;
  }
  std::memcpy(&content_[offset], from.data(), 16);
}

}  // namespace mt::ptx
