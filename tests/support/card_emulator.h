// Runs kernels of kernels/cuda/ on the host. Each thread of a block is a fiber with a stack of its own; collectives
// switch between them. What a card does some time or other happens here when a careless kernel would be hurt:
// - threads run in a chosen order, the first as far as it can go alone, so that a missing barrier changes results;
// - copy_async_16 spoils its target at once and copies when it is waited for;
// - shared memory is allocated to the byte and holds NaNs at first, for the address sanitizer and for the eye;
// - threads that wait at different places, or for one that has ended, are a std::logic_error that names the places.
#pragma once

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/tensor.h"
#include "kernels/cuda/instances.h"

#if defined(__SANITIZE_ADDRESS__)
#define MT_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MT_ADDRESS_SANITIZER
#endif
#endif
#if defined(MT_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace mt::test {

// In which order threads of a block are taken, wherever there is a choice; and the blocks.
enum class Order : std::uint8_t { ascending, descending, shuffled };

class CardEmulator;

// A line of a kernel. std::source_location is not in every standard library that compiles us.
struct Place {
  const char* file = "";
  int line = 0;
  static constexpr Place current(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
  bool operator==(const Place& other) const { return line == other.line && std::strcmp(file, other.file) == 0; }
};

// A stack and where its thread stands.
class Fiber {
 public:
  Fiber(CardEmulator& emulator, unsigned index);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() { munmap(stack_, kStackBytes); }

  enum class State : std::uint8_t { ready, waits, ended };
  State state = State::ended;
  const char* waits_for = "";
  Place place;
  struct Copy {
    void* shared;
    const void* global;  // null: zeros
    int commit;          // how many there were before
  };
  std::deque<Copy> copies;  // here, not on the stack, which nobody unwinds after a failure
  int commits = 0;

 private:
  friend class CardEmulator;
  static constexpr std::size_t kStackBytes = 256 * 1024;  // what is not touched costs nothing
  void* stack_;
  ucontext_t context_{};
};

// A block at work.
class CardEmulator {
 public:
  using Kernel = std::function<void(unsigned index)>;

  // The one of this host thread: its stacks are used again.
  static CardEmulator& instance() {
    static thread_local CardEmulator emulator;
    return emulator;
  }

  // Runs one block; what a thread threw, or a std::logic_error when they do not meet.
  void run(unsigned threads, std::size_t shared_bytes, std::span<const std::size_t> order, const Kernel& kernel) {
    while (fibers_.size() < threads)
      fibers_.push_back(std::make_unique<Fiber>(*this, static_cast<unsigned>(fibers_.size())));
    shared_.reset(static_cast<std::byte*>(::operator new(std::max<std::size_t>(shared_bytes, 1), kAlignment)));
    std::memset(shared_.get(), 0xFF, shared_bytes);
    shared_bytes_ = shared_bytes;
    threads_ = threads;
    kernel_ = &kernel;
    order_.assign(order.begin(), order.end());
    ready_.assign((threads + 63) / 64, 0);
    position_.resize(threads);
    for (unsigned i = 0; i < threads; ++i) position_[order_[i]] = i;
    for (unsigned i = 0; i < threads; ++i) {
      set_ready(i);
      fibers_[i]->commits = 0;
    }
    block_ = Meeting{};
    warps_.assign((threads + 31) / 32, Meeting{});
    ended_ = 0;
    error_ = nullptr;
    switch_context(host_, fibers_[order_[0]].get());
    if (error_ != nullptr) {
      fibers_.clear();  // some stand in the middle of the kernel
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }

  unsigned threads() const { return threads_; }
  Fiber& fiber(unsigned index) { return *fibers_[index]; }
  std::byte* shared() { return shared_.get(); }
  // logic_error unless [p, p + bytes) is in shared memory, aligned to 16.
  void require_shared(const void* p, std::size_t bytes) const {
    const auto begin = reinterpret_cast<std::uintptr_t>(shared_.get()), at = reinterpret_cast<std::uintptr_t>(p);
    if (at < begin || at + bytes > begin + shared_bytes_ || at % 16 != 0)
      throw std::logic_error("16 bytes of shared memory were expected at " + std::to_string(at - begin) + " of " +
                             std::to_string(shared_bytes_));
  }

  // Waits until all threads of the block, or of the warp, are here with their arguments; the last does what there is to
  // do with them: complete(std::vector<void*>), by thread of the group.
  template <class Complete>
  void meet_block(unsigned index, const char* what, Place place, void* arguments, Complete complete) {
    meet(block_, 0, threads_, index, what, place, arguments, complete);
  }
  template <class Complete>
  void meet_warp(unsigned index, const char* what, Place place, void* arguments, Complete complete) {
    const unsigned first = index / 32 * 32;
    meet(warps_[index / 32], first, std::min(32u, threads_ - first), index, what, place, arguments, complete);
  }

 private:
  friend class Fiber;
  static constexpr std::align_val_t kAlignment{128};
  struct FreeShared {
    void operator()(std::byte* p) const { ::operator delete(p, kAlignment); }
  };
  struct Meeting {
    unsigned arrived = 0;
    const char* what = nullptr;
    Place place;
    std::vector<void*> arguments;
  };

  void set_ready(unsigned index) {
    fibers_[index]->state = Fiber::State::ready;
    const unsigned at = position_[index];
    ready_[at / 64] |= std::uint64_t{1} << at % 64;
  }
  void clear_ready(unsigned index) {
    const unsigned at = position_[index];
    ready_[at / 64] &= ~(std::uint64_t{1} << at % 64);
  }

  static std::string text(const char* what, const Place& place) {
    const std::string file = place.file;
    return std::string(what) + " at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(place.line);
  }

  template <class Complete>
  void meet(Meeting& meeting, unsigned first, unsigned count, unsigned index, const char* what, Place place,
            void* arguments, Complete complete) {
    if (meeting.arrived == 0) {
      meeting.what = what;
      meeting.place = place;
      meeting.arguments.resize(count);
    } else if (std::strcmp(meeting.what, what) != 0 || !(meeting.place == place)) {
      throw std::logic_error("threads diverge: thread " + std::to_string(index) + " comes to " + text(what, place) +
                             " while others wait for " + text(meeting.what, meeting.place));
    }
    meeting.arguments[index - first] = arguments;
    if (++meeting.arrived < count) {
      Fiber& fiber = *fibers_[index];
      fiber.state = Fiber::State::waits;
      fiber.waits_for = what;
      fiber.place = place;
      clear_ready(index);
      pass_on(index);
      return;
    }
    complete(meeting.arguments);
    meeting.arrived = 0;
    for (unsigned i = first; i < first + count; ++i) set_ready(i);
    pass_on(index);  // it may be another's turn
  }

  // To the first thread that can go on, or to the host when none can.
  void pass_on(unsigned index) {
    Fiber& from = *fibers_[index];
    for (std::size_t word = 0; word < ready_.size(); ++word) {
      if (ready_[word] == 0) continue;
      const unsigned next = order_[word * 64 + static_cast<unsigned>(std::countr_zero(ready_[word]))];
      if (next != index) switch_context(from.context_, fibers_[next].get());
      return;
    }
    if (ended_ < threads_) {
      std::string why = "threads diverge:";
      for (unsigned i = 0; i < threads_; ++i) {
        const Fiber& fiber = *fibers_[i];
        if (fiber.state != Fiber::State::waits) continue;
        why += " thread " + std::to_string(i) + " waits for " + text(fiber.waits_for, fiber.place);
        break;
      }
      why += ", and " + std::to_string(ended_) + " of " + std::to_string(threads_) + " have ended";
      error_ = std::make_exception_ptr(std::logic_error(why));
    }
    switch_context(from.context_, nullptr);
  }

  // A fiber runs one thread of one block after the other.
  static void enter(unsigned low, unsigned high, unsigned index) {
    const auto address = static_cast<std::uintptr_t>(high) << 32 | static_cast<std::uintptr_t>(low);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): makecontext passes int alone
    auto& emulator = *reinterpret_cast<CardEmulator*>(address);
    emulator.arrived_in_fiber();
    for (;;) emulator.run_thread(index);
  }

  void run_thread(unsigned index) {
    try {
      (*kernel_)(index);
    } catch (...) {
      error_ = std::current_exception();
    }
    Fiber& fiber = *fibers_[index];
    fiber.state = Fiber::State::ended;
    ++ended_;
    clear_ready(index);
    if (error_ != nullptr)
      switch_context(fiber.context_, nullptr);
    else
      pass_on(index);
  }

#if defined(MT_ADDRESS_SANITIZER)
  void switch_context(ucontext_t& from, Fiber* to) {
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, to != nullptr ? to->stack_ : host_stack_,
                                   to != nullptr ? Fiber::kStackBytes : host_stack_bytes_);
    from_host_ = &from == &host_;
    swapcontext(&from, to != nullptr ? &to->context_ : &host_);
    finish_switch(fake_stack);
  }
  void arrived_in_fiber() { finish_switch(nullptr); }
  void finish_switch(void* fake_stack) {
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &bytes);
    if (!from_host_) return;
    host_stack_ = bottom;
    host_stack_bytes_ = bytes;
  }
  bool from_host_ = false;
  const void* host_stack_ = nullptr;
  std::size_t host_stack_bytes_ = 0;
#else
  void switch_context(ucontext_t& from, Fiber* to) { swapcontext(&from, to != nullptr ? &to->context_ : &host_); }
  void arrived_in_fiber() {}
#endif

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::unique_ptr<std::byte[], FreeShared> shared_;
  std::size_t shared_bytes_ = 0;
  unsigned threads_ = 0, ended_ = 0;
  const Kernel* kernel_ = nullptr;
  std::vector<unsigned> order_, position_;  // thread of each place in the order, and the reverse
  std::vector<std::uint64_t> ready_;        // bits, by place in the order
  Meeting block_;
  std::vector<Meeting> warps_;
  std::exception_ptr error_;
  ucontext_t host_{};
};

inline Fiber::Fiber(CardEmulator& emulator, unsigned index)
    : stack_(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
  if (stack_ == MAP_FAILED) throw std::bad_alloc();
#if defined(MT_ADDRESS_SANITIZER)
  __asan_unpoison_memory_region(stack_, kStackBytes);  // of a stack that was there before
#endif
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = kStackBytes;
  context_.uc_link = nullptr;
  // makecontext passes integers only.
  const auto address = reinterpret_cast<std::uintptr_t>(&emulator);
  makecontext(&context_, reinterpret_cast<void (*)()>(&CardEmulator::enter), 3, static_cast<unsigned>(address),
              static_cast<unsigned>(address >> 32), index);
}

// The members of mt::cuda::CardThread, which says what they do.
class EmulatedThread {
 public:
  EmulatedThread(CardEmulator& emulator, std::size_t block_x, std::size_t block_y, unsigned index)
      : emulator_(emulator), fiber_(emulator.fiber(index)), block_x_(block_x), block_y_(block_y), index_(index) {}

  std::size_t block_x() const { return block_x_; }
  std::size_t block_y() const { return block_y_; }
  unsigned index() const { return index_; }
  unsigned threads() const { return emulator_.threads(); }
  unsigned lane() const { return index_ % 32; }
  unsigned warp() const { return index_ / 32; }
  template <class T>
  T* shared(std::size_t offset_bytes = 0) const {
    return reinterpret_cast<T*>(emulator_.shared() + offset_bytes);
  }

  void sync(Place place = Place::current()) const {
    emulator_.meet_block(index_, "sync", place, nullptr, [](const auto&) {});
  }
  void sync_warp(Place place = Place::current()) const {
    emulator_.meet_warp(index_, "sync_warp", place, nullptr, [](const auto&) {});
  }
  bool any_in_block(bool value, Place place = Place::current()) const {
    emulator_.meet_block(index_, "any_in_block", place, &value, [](const std::vector<void*>& values) {
      bool any = false;
      for (const void* one : values) any = any || *static_cast<const bool*>(one);
      for (void* one : values) *static_cast<bool*>(one) = any;
    });
    return value;
  }
  float shuffle_xor(float value, unsigned mask, Place place = Place::current()) const {
    struct Shuffle {
      float value, result;
      unsigned mask;
    } mine{value, 0, mask};
    emulator_.meet_warp(index_, "shuffle_xor", place, &mine, [](const std::vector<void*>& lanes) {
      for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
        auto& one = *static_cast<Shuffle*>(lanes[lane]);
        one.result = static_cast<const Shuffle*>(lanes.at(lane ^ one.mask))->value;
      }
    });
    return mine.result;
  }

  void copy_async_16(void* shared, const void* global, bool valid) const {
    emulator_.require_shared(shared, 16);
    if (reinterpret_cast<std::uintptr_t>(global) % 16 != 0) throw std::logic_error("a copy from between 16 bytes");
    std::memset(shared, 0xFF, 16);
    fiber_.copies.push_back({shared, valid ? global : nullptr, fiber_.commits});
  }
  void commit_copies() const { ++fiber_.commits; }
  template <int n>
  void wait_copies() const {
    auto& copies = fiber_.copies;
    while (!copies.empty() && copies.front().commit + n < fiber_.commits) {
      const Fiber::Copy copy = copies.front();
      copies.pop_front();
      if (copy.global == nullptr)
        std::memset(copy.shared, 0, 16);
      else
        std::memcpy(copy.shared, copy.global, 16);
    }
  }
  // A block's shared memory is another's as soon as it ends.
  void require_no_copies() const {
    if (!fiber_.copies.empty()) throw std::logic_error("a thread ends before its copies");
  }

  template <bool transposed>
  void load_matrix_x4(const void* row, std::uint32_t (&fragment)[4], Place place = Place::current()) const {
    struct Load {
      const std::uint16_t* row;
      std::uint32_t* fragment;
    } mine{static_cast<const std::uint16_t*>(row), fragment};
    emulator_.require_shared(row, 16);
    emulator_.meet_warp(index_, "load_matrix_x4", place, &mine, [](const std::vector<void*>& lanes) {
      const auto element = [&](unsigned matrix, unsigned i, unsigned j) -> std::uint32_t {
        std::uint16_t value;
        std::memcpy(&value, static_cast<const Load*>(lanes.at(8 * matrix + i))->row + j, sizeof(value));
        return value;
      };
      for (unsigned lane = 0; lane < 32; ++lane) {
        auto& one = *static_cast<Load*>(lanes.at(lane));
        const unsigned i = lane / 4, j = lane % 4 * 2;
        for (unsigned matrix = 0; matrix < 4; ++matrix)
          one.fragment[matrix] = transposed ? element(matrix, j, i) | element(matrix, j + 1, i) << 16
                                            : element(matrix, i, j) | element(matrix, i, j + 1) << 16;
      }
    });
  }

  template <class T>
  void multiply_add_16x8x16(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                            Place place = Place::current()) const {
    struct Fragments {
      float* c;
      const std::uint32_t* a;
      std::uint32_t b[2];
    } mine{c, a, {b0, b1}};
    emulator_.meet_warp(index_, "multiply_add_16x8x16", place, &mine, [](const std::vector<void*>& lanes) {
      float a_matrix[16][16], b_columns[8][16];
      const auto spread = [](std::uint32_t pair, float* to) {
        to[0] = to_float(static_cast<T>(static_cast<std::uint16_t>(pair)));
        to[1] = to_float(static_cast<T>(static_cast<std::uint16_t>(pair >> 16)));
      };
      for (unsigned lane = 0; lane < 32; ++lane) {
        const auto& one = *static_cast<const Fragments*>(lanes.at(lane));
        const unsigned g = lane / 4, t = lane % 4;
        for (unsigned i = 0; i < 4; ++i) spread(one.a[i], &a_matrix[g + i % 2 * 8][2 * t + i / 2 * 8]);
        for (unsigned i = 0; i < 2; ++i) spread(one.b[i], &b_columns[g][2 * t + i * 8]);
      }
      for (unsigned lane = 0; lane < 32; ++lane) {
        float* sums = static_cast<Fragments*>(lanes[lane])->c;
        const unsigned g = lane / 4, t = lane % 4;
        for (unsigned i = 0; i < 4; ++i) {
          for (unsigned k = 0; k < 16; ++k) sums[i] += a_matrix[g + i / 2 * 8][k] * b_columns[2 * t + i % 2][k];
        }
      }
    });
  }

 private:
  CardEmulator& emulator_;
  Fiber& fiber_;
  std::size_t block_x_, block_y_;
  unsigned index_;
};

// kernel(thread) for every thread of the grid, block after block.
template <class KernelBody>
void emulate(const cuda::Grid& grid, KernelBody kernel, Order order = Order::ascending, std::uint64_t seed = 1) {
  std::vector<std::size_t> threads(grid.threads);
  std::iota(threads.begin(), threads.end(), std::size_t{0});
  if (order == Order::descending) std::reverse(threads.begin(), threads.end());
  Random random(seed, 0);
  const std::size_t blocks = grid.x * grid.y;
  for (std::size_t i = 0; i < blocks; ++i) {
    if (order == Order::shuffled) threads = permutation(threads.size(), random);
    const std::size_t block = order == Order::descending ? blocks - 1 - i : i;
    auto& emulator = CardEmulator::instance();
    emulator.run(grid.threads, grid.shared_bytes, threads, [&](unsigned index) {
      const EmulatedThread thread(emulator, block % grid.x, block / grid.x, index);
      kernel(thread);
      thread.require_no_copies();
    });
  }
}

}  // namespace mt::test
