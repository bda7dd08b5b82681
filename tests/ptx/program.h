// PTX, the assembly that nvcc makes for cards, in a form that the host can run (ptx/machine.h): for tests, which have
// no card. What our kernels need is known and nothing else; what an instruction means is told by NVIDIA's "Parallel
// Thread Execution ISA", here "the PTX ISA".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mt::ptx {

inline constexpr unsigned kLanes = 32;
using Mask = std::uint32_t;  // a bit a lane of a warp
inline constexpr Mask kAllLanes = 0xFFFFFFFF;

// A register, or an operand that never changes, in each lane. A number of fewer than 64 bits lies in the lower ones,
// and whoever reads it looks at no more; a predicate is 0 or 1.
using Row = std::array<std::uint64_t, kLanes>;
using Slot = std::uint32_t;  // which row
inline constexpr Slot kNoSlot = 0xFFFFFFFF;

// Arithmetic of some lanes: operands[0] = f(operands[1], ...).
using Compute = void (*)(Mask lanes, Row* rows, const Slot* operands);

enum class Action : std::uint8_t {
  compute,
  load,
  store,
  copy_async,
  commit_copies,
  wait_copies,
  load_matrix,
  multiply_matrix,
  shuffle,
  barrier,
  barrier_or,
  barrier_of_warp,
  branch,
  leave,
  trap
};
enum class Space : std::uint8_t { parameters, global, shared };
enum class Exchange : std::uint8_t { butterfly, index };  // of shfl.sync
enum class Numbers : std::uint8_t { f16, bf16 };          // of mma.sync

struct Address {
  Slot base = kNoSlot;  // none: the offset is all, as in the parameters
  std::uint64_t offset = 0;
};

struct Instruction {
  Action action = Action::trap;
  std::string name;  // with its modifiers
  unsigned line = 0;
  Slot guard = kNoSlot;  // lanes whose guard is false go past it
  bool guard_negated = false;

  std::vector<Slot> operands;  // registers and constants, in the order of the text
  std::vector<Address> addresses;
  std::uint64_t number = 0;  // the branch's target, the count of wait_copies

  Compute compute = nullptr;
  Space space = Space::global;    // of load and store,
  unsigned bytes = 0, count = 1;  // of each of so many elements,
  bool is_signed = false;         // which a load extends by their sign
  bool transposed = false;        // of load_matrix
  unsigned depth = 0;             // of multiply_matrix: 8 or 16,
  Numbers numbers = Numbers::f16;
  Exchange exchange = Exchange::butterfly;
};

enum class Special : std::uint8_t { thread, threads, block_x, block_y, lane };

struct Entry {
  std::string name;
  std::vector<Instruction> code;
  std::size_t slots = 0;
  std::vector<std::pair<Slot, std::uint64_t>> constants;
  std::vector<std::pair<Slot, Special>> specials;
  std::size_t parameter_bytes = 0, parameter_alignment = 0;
  unsigned most_threads = 0;
};

struct Program {
  std::string target;  // sm_90
  std::vector<Entry> entries;
  // The one whose name holds this; runtime_error unless there is one.
  const Entry& entry(std::string_view part) const;
};

// Where shared memory begins. A multiple of 16, as the kernels ask, and of no more; not 0, since cards have things of
// their own there.
inline constexpr std::uint32_t kSharedBegin = 1024 + 16;

// std::runtime_error that names the line and what is not known there.
Program parse(std::string_view text);

}  // namespace mt::ptx
