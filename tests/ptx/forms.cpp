#include "ptx/forms.h"

#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <vector>

namespace mt::ptx {

namespace {

std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts{""};
  for (const char c : name) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// ld and st: .space{.v2,.v4}.type, no more: neither caches nor volatile, which mean nothing to our checks.
std::optional<Form> memory_form(const std::string& name) {
  const std::vector<std::string> parts = parts_of(name);
  const bool loads = parts[0] == "ld";
  if ((!loads && parts[0] != "st") || parts.size() < 3 || parts.size() > 4) return std::nullopt;
  Instruction memory;
  memory.action = loads ? Action::load : Action::store;
  if (parts[1] == "param" && loads)
    memory.space = Space::parameters;
  else if (parts[1] == "shared")
    memory.space = Space::shared;
  else if (parts[1] != "global")
    return std::nullopt;
  if (parts.size() == 4) {
    if (parts[2] != "v2" && parts[2] != "v4") return std::nullopt;
    memory.count = parts[2] == "v2" ? 2 : 4;
  }
  const std::string& type = parts.back();
  if (std::string("fusb").find(type[0]) == std::string::npos) return std::nullopt;
  const std::string bits = type.substr(1);
  if (bits == "8" || bits == "16" || bits == "32" || bits == "64")
    memory.bytes = static_cast<unsigned>(std::stoul(bits)) / 8;
  else
    return std::nullopt;
  memory.is_signed = type[0] == 's';
  if (memory.count * memory.bytes > 16) return std::nullopt;
  return Form{memory, loads ? std::string(memory.count, 'd') + " a" : "a " + std::string(memory.count, 's')};
}

Form matrix_form(unsigned depth, Numbers numbers) {
  Instruction multiply;
  multiply.action = Action::multiply_matrix;
  multiply.depth = depth;
  multiply.numbers = numbers;
  return {multiply, depth == 16 ? "dddd ssss ss ssss" : "dddd ss s ssss"};
}

Form form(Action action, const char* operands, void (*set)(Instruction&) = nullptr) {
  Form made;
  made.instruction.action = action;
  made.operands = operands;
  if (set != nullptr) set(made.instruction);
  return made;
}

std::optional<Form> form_by_name(const std::string& name) {
  if (name == "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32") return matrix_form(16, Numbers::f16);
  if (name == "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32") return matrix_form(16, Numbers::bf16);
  if (name == "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32") return matrix_form(8, Numbers::f16);
  if (name == "ldmatrix.sync.aligned.m8n8.x4.shared.b16") return form(Action::load_matrix, "dddd a");
  if (name == "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16")
    return form(Action::load_matrix, "dddd a", [](Instruction& load) { load.transposed = true; });
  if (name == "cp.async.cg.shared.global") return form(Action::copy_async, "a a 16 s");
  if (name == "cp.async.commit_group") return form(Action::commit_copies, "");
  if (name == "cp.async.wait_group") return form(Action::wait_copies, "n");
  if (name == "shfl.sync.bfly.b32") return form(Action::shuffle, "dd s s s s");
  if (name == "shfl.sync.idx.b32")
    return form(Action::shuffle, "dd s s s s", [](Instruction& shuffle) { shuffle.exchange = Exchange::index; });
  if (name == "bar.sync") return form(Action::barrier, "0");
  if (name == "bar.red.or.pred") return form(Action::barrier_or, "d 0 s");
  if (name == "bar.warp.sync") return form(Action::barrier_of_warp, "s");
  if (name == "bra" || name == "bra.uni") return form(Action::branch, "l");
  if (name == "ret") return form(Action::leave, "");
  if (name == "trap") return form(Action::trap, "");
  return memory_form(name);
}

}  // namespace

Form form_of(const std::string& name, const std::string& shape) {
  Form found = arithmetic_of(name, shape);
  if (found.instruction.compute == nullptr) {
    const auto other = form_by_name(name);
    if (!other) throw std::runtime_error("unknown instruction " + name);
    found = *other;
  }
  found.instruction.name = name;
  return found;
}

}  // namespace mt::ptx
