// What a warp's instructions do with memory, and from lane to lane.
#include <cstring>

#include "ptx/matrix.h"
#include "ptx/warp.h"

namespace mt::ptx {

std::uint64_t Warp::address(const Address& address, unsigned lane) const {
  return address.base == kNoSlot ? address.offset : rows_[address.base][lane] + address.offset;
}

Visit Warp::visit(unsigned lane) const {
  return {block_.barriers, barriers_, static_cast<std::uint16_t>(index_ * kLanes + lane),
          static_cast<std::uint16_t>(index_)};
}

std::uint32_t Warp::number_in_launch(unsigned lane) const {
  const std::size_t block = block_.y * block_.grid.x + block_.x;
  return static_cast<std::uint32_t>(block * block_.grid.threads + index_ * kLanes + lane);
}

void Warp::read(const Instruction& instruction, unsigned lane, std::byte* to) {
  const std::uint64_t at = address(instruction.addresses[0], lane);
  const unsigned bytes = instruction.bytes * instruction.count;  // vectors are aligned as a whole
  switch (instruction.space) {
    case Space::global:
      block_.global.read(number_in_launch(lane), at, bytes, to);
      break;
    case Space::shared:
      block_.shared.read(visit(lane), at, bytes, to);
      break;
    case Space::parameters:
      if (at % bytes != 0 || at + bytes > block_.parameters.size())
        throw Fault(std::to_string(bytes) + " bytes at " + std::to_string(at) + " of the parameters");
      std::memcpy(to, block_.parameters.data() + at, bytes);
      break;
  }
}

void Warp::load(const Instruction& instruction, Mask lanes) {
  each_lane(lanes, [&](unsigned lane) {
    std::byte bytes[16];
    read(instruction, lane, bytes);
    for (unsigned i = 0; i < instruction.count; ++i) {
      std::uint64_t value = 0;
      std::memcpy(&value, bytes + i * instruction.bytes, instruction.bytes);
      const unsigned unused = 64 - 8 * instruction.bytes;
      if (instruction.is_signed)
        value = static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused);
      rows_[instruction.operands[i]][lane] = value;
    }
  });
}

void Warp::store(const Instruction& instruction, Mask lanes) {
  const unsigned bytes = instruction.bytes * instruction.count;
  each_lane(lanes, [&](unsigned lane) {
    std::byte content[16];
    for (unsigned i = 0; i < instruction.count; ++i)
      std::memcpy(content + i * instruction.bytes, &rows_[instruction.operands[i]][lane], instruction.bytes);
    const std::uint64_t at = address(instruction.addresses[0], lane);
    if (instruction.space == Space::global)
      block_.global.write(number_in_launch(lane), at, bytes, content);
    else
      block_.shared.write(visit(lane), at, bytes, content);
  });
}

// PTX ISA, "cp.async": 16 bytes, of which the first source-size are copied and the rest are zeros. When is not said:
// here it is read at once and comes when it is waited for.
void Warp::copy_async(const Instruction& instruction, Mask lanes) {
  each_lane(lanes, [&](unsigned lane) {
    const std::uint64_t from = address(instruction.addresses[1], lane);
    const auto size = static_cast<std::uint32_t>(rows_[instruction.operands[0]][lane]);
    if (size != 0 && size != 16) throw Fault("a copy of " + std::to_string(size) + " of 16 bytes");
    if (from % 16 != 0) throw Fault("a copy from between 16 bytes");
    Copy copy;
    copy.to = address(instruction.addresses[0], lane);
    copy.commit = commits_[lane];
    if (size == 16) block_.global.read(number_in_launch(lane), from, 16, copy.content.data());
    block_.shared.begin_copy(visit(lane), copy.to);
    copies_[lane].push_back(copy);
  });
}

// All commits but the latest few; what belongs to none yet is not waited for.
void Warp::wait_copies(const Instruction& instruction, Mask lanes) {
  each_lane(lanes, [&](unsigned lane) {
    std::erase_if(copies_[lane], [&](const Copy& copy) {
      if (copy.commit + instruction.number >= commits_[lane]) return false;
      block_.shared.end_copy(visit(lane), copy.to, copy.content);
      return true;
    });
  });
}

void Warp::load_lines(const Instruction& instruction, Mask lanes) {
  if (lanes != kAllLanes) throw Fault("a load of matrices needs all 32 lanes");
  std::array<Line, kLanes> lines;
  each_lane(lanes, [&](unsigned lane) {
    Visit all = visit(lane);
    all.thread = Visit::kSeveral;  // others get what this one points at
    block_.shared.read(all, address(instruction.addresses[0], lane), sizeof(Line), lines[lane].data());
  });
  load_matrix(lines, instruction.transposed, rows_.data(), instruction.operands.data());
}

// PTX ISA, "shfl.sync", whose names these are.
void Warp::shuffle(const Instruction& instruction, Mask lanes) {
  const Slot *to = instruction.operands.data(), *from = to + 2;
  const Row values = rows_[from[0]], b = rows_[from[1]], c = rows_[from[2]], members = rows_[from[3]];
  each_lane(lanes, [&](unsigned lane) {
    if (static_cast<Mask>(members[lane]) != lanes) throw Fault("its mask is not that of the lanes that are there");
    const auto clamp = static_cast<unsigned>(c[lane] & 31), segment = static_cast<unsigned>(c[lane] >> 8 & 31);
    const auto b_value = static_cast<unsigned>(b[lane] & 31);
    const unsigned most = (lane & segment) | (clamp & ~segment), least = lane & segment;
    unsigned source = instruction.exchange == Exchange::butterfly ? lane ^ b_value : least | (b_value & ~segment);
    const bool is_inside = source <= most;
    if (!is_inside) source = lane;
    if ((lanes >> source & 1) == 0) throw Fault("it takes the value of a lane that is not there");
    rows_[to[0]][lane] = static_cast<std::uint32_t>(values[source]);
    rows_[to[1]][lane] = is_inside ? 1 : 0;
  });
}

}  // namespace mt::ptx
