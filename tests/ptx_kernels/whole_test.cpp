// What the tests of the other files, which run before, have left out.
#include <algorithm>
#include <string>

#include "ptx_kernels/compiled.h"

using namespace mt;
using namespace mt::test;

namespace {

// No test can reach: what is for a kind of card that cannot do it, and how nvcc sets the sums to zero for a sequence
// without rows, of which no call has a tile.
bool is_for_no_call(const ptx::Instruction& instruction) {
  return instruction.name == "mov.f32" || instruction.action == ptx::Action::branch;
}
bool traps(const ptx::Entry& entry) {
  return std::any_of(entry.code.begin(), entry.code.end(),
                     [](const ptx::Instruction& instruction) { return instruction.action == ptx::Action::trap; });
}

}  // namespace

TEST_CASE("compiled kernels: every instruction of every kernel has run in one of the tests before") {
  for (const ptx::Program& program : compiled_kernels()) {
    CHECK(program.entries.size() == 23);
    for (const ptx::Entry& entry : program.entries) {
      if (traps(entry)) continue;
      const std::vector<bool>& executed = executed_instructions()[&entry];
      std::string left_out;
      for (std::size_t i = 0; i < entry.code.size(); ++i) {
        if ((!executed.empty() && executed[i]) || is_for_no_call(entry.code[i])) continue;
        left_out += "\nPTX line " + std::to_string(entry.code[i].line) + ": " + entry.code[i].name;
      }
      INFO(program.target << ": " << entry.name << left_out);
      CHECK(left_out.empty());
    }
  }
}
