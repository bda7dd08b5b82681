// What an instruction's name says: what is to be done, and with which operands.
#pragma once

#include <string>

#include "ptx/program.h"

namespace mt::ptx {

struct Form {
  Instruction instruction;
  // A word an operand: registers written (d) and read (s: or a constant), as many as the operand's braces hold; an
  // address (a), a number that is part of the instruction (n, or the one that is known), a label (l). "dddd a" loads
  // four registers.
  std::string operands;
};

// std::runtime_error for a name that is not known. shape: the operands in the text, d and s alike as r: a few names do
// different things by it.
Form form_of(const std::string& name, const std::string& shape);

// Arithmetic alone; its compute is null for a name that is not known.
Form arithmetic_of(const std::string& name, const std::string& shape);

}  // namespace mt::ptx
