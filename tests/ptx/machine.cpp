#include "ptx/machine.h"

#include <memory>

#include "ptx/warp.h"

namespace mt::ptx {

namespace {

// Far above what the kernels need for what tests give them.
constexpr std::uint64_t kMostSteps = 5'000'000;

void run_block(Block& block) {
  std::vector<std::unique_ptr<Warp>> warps;
  for (unsigned i = 0; i < cuda::divided_up(block.grid.threads, kLanes); ++i)
    warps.push_back(std::make_unique<Warp>(block, i));
  for (;;) {
    const Instruction* barrier = nullptr;
    for (std::size_t i = 0; i < warps.size(); ++i) {
      try {
        const Instruction* one = warps[i]->run();
        if (i > 0 && one != barrier)
          throw Fault(barrier == nullptr ? "warps before it have ended, it waits for them"
                                         : "warps before it wait in line " + std::to_string(barrier->line));
        barrier = one;
      } catch (const Fault& fault) {
        throw Fault(warps[i]->describe(fault.what()));
      }
    }
    if (barrier == nullptr) return;
    ++block.barriers;
    if (barrier->action != Action::barrier_or) continue;
    bool any = false;
    for (const auto& warp : warps) any = any || warp->any();
    for (const auto& warp : warps) warp->pass(any);
  }
}

}  // namespace

std::vector<bool> run(const Entry& entry, const cuda::Grid& grid, std::span<const std::byte> parameters,
                      GlobalMemory& memory) {
  if (parameters.size() != entry.parameter_bytes)
    throw Fault(entry.name + " takes " + std::to_string(entry.parameter_bytes) + " bytes of parameters, not " +
                std::to_string(parameters.size()));
  if (grid.threads == 0 || grid.threads > entry.most_threads)
    throw Fault(entry.name + " is made for up to " + std::to_string(entry.most_threads) + " threads, not " +
                std::to_string(grid.threads));
  std::vector<bool> executed(entry.code.size());
  for (std::size_t y = 0; y < grid.y; ++y) {
    for (std::size_t x = 0; x < grid.x; ++x) {
      Block block{entry, grid, parameters, memory, SharedMemory(grid.shared_bytes), executed, x, y, 0, kMostSteps};
      run_block(block);
    }
  }
  return executed;
}

}  // namespace mt::ptx
