#include "ptx/warp.h"

#include <algorithm>
#include <bit>

#include "ptx/matrix.h"

namespace mt::ptx {

Warp::Warp(Block& block, unsigned index) : block_(block), index_(index), rows_(block.entry.slots) {
  const unsigned threads = std::min(kLanes, block.grid.threads - index * kLanes);
  all_ = kAllLanes >> (kLanes - threads);
  for (unsigned lane = threads; lane < kLanes; ++lane) at_[lane] = kEnded;
  // What is read before it is written shall show: all ones are a NaN and a wild address.
  for (Row& row : rows_) row.fill(~std::uint64_t{0});
  for (const auto& [slot, value] : block.entry.constants) rows_[slot].fill(value);
  for (const auto& [slot, special] : block.entry.specials) {
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      switch (special) {
        case Special::thread:
          rows_[slot][lane] = index * kLanes + lane;
          break;
        case Special::threads:
          rows_[slot][lane] = block.grid.threads;
          break;
        case Special::block_x:
          rows_[slot][lane] = block.x;
          break;
        case Special::block_y:
          rows_[slot][lane] = block.y;
          break;
        case Special::lane:
          rows_[slot][lane] = lane;
          break;
      }
    }
  }
}

std::string Warp::describe(const std::string& what) const {
  std::string where = block_.entry.name;
  if (now_ != nullptr) where += ", PTX line " + std::to_string(now_->line) + ", " + now_->name;
  where += lane_ < kLanes ? ", thread " + std::to_string(index_ * kLanes + lane_) : ", warp " + std::to_string(index_);
  return where + " of block (" + std::to_string(block_.x) + ", " + std::to_string(block_.y) + "): " + what;
}

// Lanes part at branches and meet again by themselves: the turn is always theirs who are furthest behind in the text,
// until they are where others wait. Compilers put what comes after both ways behind them.
const Instruction* Warp::run() {
  while (std::any_of(at_.begin(), at_.end(), [](std::size_t at) { return at != kEnded; })) {
    const Instruction* barrier = step_until_parted();
    if (barrier != nullptr) return barrier;
  }
  return nullptr;
}

const Instruction* Warp::step_until_parted() {
  std::size_t at = *std::min_element(at_.begin(), at_.end()), others_at = kEnded;
  Mask lanes = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if (at_[lane] == at)
      lanes |= Mask{1} << lane;
    else
      others_at = std::min(others_at, at_[lane]);
  }
  for (; at != others_at; ++at) {
    if (at == block_.entry.code.size()) throw Fault("the kernel's text ends before the threads do");
    if (block_.steps_left-- == 0) throw Fault("the block does not end");
    const Instruction& instruction = block_.entry.code[at];
    now_ = &instruction;
    const Mask active = guarded(instruction, lanes);
    if (active == 0) continue;
    block_.executed[at] = true;
    switch (instruction.action) {
      case Action::branch:
        jump(lanes, at + 1);
        jump(active, instruction.number);
        return nullptr;
      case Action::leave:
        jump(lanes, at + 1);
        leave(active);
        return nullptr;
      case Action::barrier:
      case Action::barrier_or:
        jump(lanes, at + 1);
        require_all(instruction, active);
        return &instruction;
      default:
        execute(instruction, active);
    }
  }
  jump(lanes, at);
  return nullptr;
}

void Warp::jump(Mask lanes, std::size_t to) {
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((lanes >> lane & 1) != 0) at_[lane] = to;
  }
}

Mask Warp::guarded(const Instruction& instruction, Mask lanes) const {
  if (instruction.guard == kNoSlot) return lanes;
  Mask active = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((rows_[instruction.guard][lane] != 0) != instruction.guard_negated) active |= Mask{1} << lane;
  }
  return active & lanes;
}

void Warp::require_all(const Instruction& instruction, Mask lanes) const {
  if (lanes != all_)
    throw Fault(instruction.name + " is for all of the warp: " + std::to_string(std::popcount(lanes)) + " of " +
                std::to_string(std::popcount(all_)) + " lanes are there");
}

void Warp::execute(const Instruction& instruction, Mask lanes) {
  switch (instruction.action) {
    case Action::compute:
      instruction.compute(lanes, rows_.data(), instruction.operands.data());
      break;
    case Action::load:
      load(instruction, lanes);
      break;
    case Action::store:
      store(instruction, lanes);
      break;
    case Action::copy_async:
      copy_async(instruction, lanes);
      break;
    case Action::commit_copies:
      each_lane(lanes, [&](unsigned lane) { ++commits_[lane]; });
      break;
    case Action::wait_copies:
      wait_copies(instruction, lanes);
      break;
    case Action::load_matrix:
      load_lines(instruction, lanes);
      break;
    case Action::multiply_matrix:
      if (lanes != kAllLanes) throw Fault("a product of matrices needs all 32 lanes");
      multiply_matrix(instruction.depth, instruction.numbers, rows_.data(), instruction.operands.data());
      break;
    case Action::shuffle:
      shuffle(instruction, lanes);
      break;
    case Action::barrier_of_warp:
      require_all(instruction, lanes);
      each_lane(lanes, [&](unsigned lane) {
        if (static_cast<Mask>(rows_[instruction.operands[0]][lane]) != lanes) throw Fault("its mask is another");
      });
      ++barriers_;
      break;
    case Action::trap:
      throw Fault("trap");
    case Action::branch:
    case Action::leave:
    case Action::barrier:
    case Action::barrier_or:
      break;  // step_until_parted() has done them
  }
}

bool Warp::any() const {
  const Slot value = now_->operands[1];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((all_ >> lane & 1) != 0 && rows_[value][lane] != 0) return true;
  }
  return false;
}

void Warp::pass(bool value) { rows_[now_->operands[0]].fill(value ? 1 : 0); }

void Warp::leave(Mask lanes) {
  each_lane(lanes, [&](unsigned lane) {
    if (!copies_[lane].empty()) throw Fault("the thread ends before its copies");
    at_[lane] = kEnded;
  });
}

}  // namespace mt::ptx
