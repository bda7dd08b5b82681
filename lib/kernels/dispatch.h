// The table of a level, among those that the build has. Private to kernels/.
#pragma once

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "kernels/isa.h"

namespace mt {

// By level; null where this build has none.
template <class Table>
using TablesByIsa = std::array<const Table& (*)(), 5>;

// Throws std::logic_error when the machine or the build lacks the level.
template <class Table>
const Table& table_of(Isa isa, const TablesByIsa<Table>& tables) {
  if (isa > machine_isa()) throw std::logic_error("kernels: this machine has no " + std::string(name_of(isa)));
  const auto table = tables.at(static_cast<std::size_t>(isa));
  if (table == nullptr) throw std::logic_error("kernels: this build has no " + std::string(name_of(isa)));
  return table();
}

}  // namespace mt
