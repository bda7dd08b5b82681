// One warp at work: registers, where each lane is, and what the instructions do.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kernels/cuda/instances.h"
#include "ptx/memory.h"
#include "ptx/program.h"

namespace mt::ptx {

// What the warps of a block have in common.
struct Block {
  const Entry& entry;
  const cuda::Grid& grid;
  std::span<const std::byte> parameters;
  GlobalMemory& global;
  SharedMemory shared;
  std::vector<bool>& executed;  // by instruction
  std::size_t x = 0, y = 0;
  std::uint32_t barriers = 0;    // that all have passed
  std::uint64_t steps_left = 0;  // of all its warps: a kernel that never ends is found out
};

class Warp {
 public:
  Warp(Block& block, unsigned index);

  // Runs until all lanes are at a barrier of the block, which is returned, or have ended: null. Throws Fault.
  const Instruction* run();
  // Of the barrier: whether it was true in a lane; what it gives to all of them.
  bool any() const;
  void pass(bool value);
  // What goes wrong here, with the kernel, the line and the thread.
  std::string describe(const std::string& what) const;

 private:
  struct Copy {
    std::uint64_t to = 0;
    std::array<std::byte, 16> content{};
    unsigned commit = 0;  // how many there were before
  };
  static constexpr std::size_t kEnded = static_cast<std::size_t>(-1);

  const Instruction* step_until_parted();
  void execute(const Instruction& instruction, Mask lanes);
  void jump(Mask lanes, std::size_t to);
  Mask guarded(const Instruction& instruction, Mask lanes) const;
  void require_all(const Instruction& instruction, Mask lanes) const;

  void load(const Instruction& instruction, Mask lanes);
  void store(const Instruction& instruction, Mask lanes);
  void copy_async(const Instruction& instruction, Mask lanes);
  void wait_copies(const Instruction& instruction, Mask lanes);
  void load_lines(const Instruction& instruction, Mask lanes);
  void shuffle(const Instruction& instruction, Mask lanes);
  void leave(Mask lanes);

  std::uint64_t address(const Address& address, unsigned lane) const;
  void read(const Instruction& instruction, unsigned lane, std::byte* to);
  Visit visit(unsigned lane) const;
  std::uint32_t number_in_launch(unsigned lane) const;
  template <class Act>
  void each_lane(Mask lanes, Act act) {
    for (lane_ = 0; lane_ < kLanes; ++lane_) {
      if ((lanes >> lane_ & 1) != 0) act(lane_);
    }
    lane_ = kLanes;
  }

  Block& block_;
  unsigned index_;
  Mask all_;  // of a last warp that is not full: fewer
  std::vector<Row> rows_;
  std::array<std::size_t, kLanes> at_{};
  std::array<std::vector<Copy>, kLanes> copies_;
  std::array<unsigned, kLanes> commits_{};
  std::uint32_t barriers_ = 0;  // of this warp alone
  const Instruction* now_ = nullptr;
  unsigned lane_ = kLanes;  // at work; kLanes: all
};

}  // namespace mt::ptx
