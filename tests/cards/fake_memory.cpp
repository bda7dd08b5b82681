// Memory of the cards, and of the host for them.
#include "fake.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

#include <fmt/format.h>

namespace mt::fake {

namespace {

constexpr std::size_t kPage = 4096, kAlignment = 256;
// So much of new memory is NaNs, which show when something reads what nobody wrote.
constexpr std::size_t kSpoiled = 1 << 20;

struct Block {
  std::size_t bytes = 0;
  int card = kPinned, maker = 0;  // maker: the card that was current, in whose context pinned memory is
  void* mapping = nullptr;
  std::size_t mapped = 0;  // without the page behind it
};

struct Memory {
  std::mutex mutex;
  std::map<std::uintptr_t, Block> blocks;  // by their begin
  std::map<int, std::size_t> used, working;
};
Memory& memory() {
  static Memory& memory = *new Memory;
  return memory;
}

std::size_t whole(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

// The block that the address is in.
const std::pair<const std::uintptr_t, Block>* block_at(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  auto next = memory().blocks.upper_bound(at);
  if (next == memory().blocks.begin()) return nullptr;
  --next;
  return at < next->first + next->second.bytes ? &*next : nullptr;
}

void allow(int card, int protection) {
  for (const auto& [begin, block] : memory().blocks) {
    if (block.card == card) mprotect(block.mapping, block.mapped, protection);
  }
}

// The end of the block lies at the end of a page, but for the alignment; the next page is nobody's.
void* add_block(std::size_t bytes, int card) {
  Block block{bytes, card, current_card(), nullptr, whole(bytes, kPage)};
  block.mapping =
      mmap(nullptr, block.mapped + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (block.mapping == MAP_FAILED) violation("the host itself has no memory left");
  auto* const mapping = static_cast<std::byte*>(block.mapping);
  mprotect(mapping + block.mapped, kPage, PROT_NONE);
  std::byte* const begin = mapping + block.mapped - whole(bytes, kAlignment);
  std::memset(begin, 0xFF, std::min(bytes, kSpoiled));
  if (card != kPinned && memory().working[card] == 0) mprotect(mapping, block.mapped, PROT_NONE);
  memory().blocks[reinterpret_cast<std::uintptr_t>(begin)] = block;
  return begin;
}

Block remove_block(void* address, bool pinned, const char* function) {
  const auto found = memory().blocks.find(reinterpret_cast<std::uintptr_t>(address));
  if (found == memory().blocks.end() || (found->second.card == kPinned) != pinned)
    violation(fmt::format("{} of what was not allocated, or is free already", function));
  const Block block = found->second;
  memory().blocks.erase(found);
  munmap(block.mapping, block.mapped + kPage);
  return block;
}

}  // namespace

void require_memory(const Range& range, const std::string& what) {
  if (range.bytes == 0) return;
  const std::lock_guard lock(memory().mutex);
  const auto* found = block_at(range.begin);
  const std::string whose = range.card == kPinned ? "pinned memory" : fmt::format("memory of card {}", range.card);
  if (found == nullptr || found->second.card != range.card)
    violation(fmt::format("{}: {} bytes are not in {}", what, range.bytes, whose));
  if (reinterpret_cast<std::uintptr_t>(range.begin) + range.bytes > found->first + found->second.bytes)
    violation(fmt::format("{}: {} bytes go beyond the end of a block of {} of {}", what, range.bytes,
                          found->second.bytes, whose));
}

bool is_pinned(const void* address) {
  const std::lock_guard lock(memory().mutex);
  const auto* found = block_at(address);
  return found != nullptr && found->second.card == kPinned;
}

bool is_of_a_card(const void* address) {
  const std::lock_guard lock(memory().mutex);
  const auto* found = block_at(address);
  return found != nullptr && found->second.card != kPinned;
}

WorkingCard::WorkingCard(int card) : card_(card) {
  const std::lock_guard lock(memory().mutex);
  if (memory().working[card_]++ == 0) allow(card_, PROT_READ | PROT_WRITE);
}

WorkingCard::~WorkingCard() {
  const std::lock_guard lock(memory().mutex);
  if (--memory().working[card_] == 0) allow(card_, PROT_NONE);
}

// What a lost card had is gone with it.
void report_leaks(const std::function<void(const std::string&)>& report) {
  for (const auto& [begin, block] : memory().blocks) {
    if (loss_of(block.maker) == cudaSuccess)
      report(fmt::format("a block of {} bytes of {}", block.bytes,
                         block.card == kPinned ? "pinned memory" : fmt::format("card {}", block.card)));
  }
}

}  // namespace mt::fake

using namespace mt::fake;

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  return call([&] {
    *address = nullptr;
    if (const cudaError_t error = unsafe_in_recordings(); error != cudaSuccess) return error;
    if (bytes == 0) return cudaSuccess;
    const std::lock_guard lock(memory().mutex);
    std::size_t& used = memory().used[current_card()];
    if (bytes > settings().memory - used) return cudaErrorMemoryAllocation;
    used += bytes;
    *address = add_block(bytes, current_card());
    return cudaSuccess;
  });
}

cudaError_t cudaFree(void* address) {
  return call([&] {
    if (address == nullptr) return cudaSuccess;
    if (const cudaError_t error = unsafe_in_recordings(); error != cudaSuccess) return error;
    finish_all();
    const std::lock_guard lock(memory().mutex);
    const Block block = remove_block(address, false, "cudaFree");
    memory().used[block.card] -= block.bytes;
    return cudaSuccess;
  });
}

// Any flags: where addresses are the same for host and cards, as here, all of it is portable.
cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned) {
  return call([&] {
    if (const cudaError_t error = unsafe_in_recordings(); error != cudaSuccess) return error;
    const std::lock_guard lock(memory().mutex);
    *address = add_block(bytes, kPinned);
    return cudaSuccess;
  });
}

cudaError_t cudaFreeHost(void* address) {
  return call([&] {
    if (address == nullptr) return cudaSuccess;
    if (const cudaError_t error = unsafe_in_recordings(); error != cudaSuccess) return error;
    finish_all();
    const std::lock_guard lock(memory().mutex);
    remove_block(address, true, "cudaFreeHost");
    return cudaSuccess;
  });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return call([&] {
    const std::lock_guard lock(memory().mutex);
    *total = settings().memory;
    *free = *total - memory().used[current_card()];
    return cudaSuccess;
  });
}

// To a card it returns before it is done.
cudaError_t cudaMemset(void* address, int value, std::size_t bytes) {
  return call([&] {
    return queue(cudaStreamLegacy,
                 {"cudaMemset", {{address, bytes, current_card()}}, [=] { std::memset(address, value, bytes); }});
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return call([&] {
    const bool up = kind == cudaMemcpyHostToDevice;
    if (!up && kind != cudaMemcpyDeviceToHost) violation("cudaMemcpyAsync: neither up nor down");
    const void* const host = up ? from : to;
    if (is_of_a_card(host)) return cudaErrorInvalidValue;
    Step step{up ? "cudaMemcpyAsync up" : "cudaMemcpyAsync down", {{up ? to : from, bytes, card_of(stream)}}, {}};
    if (is_pinned(host)) {
      step.ranges.push_back({host, bytes, kPinned});
      step.run = [=] { std::memcpy(to, from, bytes); };
      return queue(stream, std::move(step));
    }
    if (is_recording(stream)) return spoil_recording(stream);
    if (up) {  // CUDA has it copied to memory of its own when it returns, and not more
      const auto* const bytes_of = static_cast<const std::byte*>(from);
      step.run = [to, copy = std::vector<std::byte>(bytes_of, bytes_of + bytes)] {
        std::memcpy(to, copy.data(), copy.size());
      };
      return queue(stream, std::move(step));
    }
    step.run = [=] { std::memcpy(to, from, bytes); };
    const cudaError_t result = queue(stream, std::move(step));
    finish(stream);
    return result;
  });
}
