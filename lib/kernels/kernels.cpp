#include "kernels/kernels.h"

#include <stdexcept>

#include "kernels/dispatch.h"
#include "kernels/tables.h"

namespace mt {

const Kernels& kernels_of(Isa isa) {
#if defined(__x86_64__)
  constexpr TablesByIsa<Kernels> tables = {generic_kernels, avx2_kernels, avx512_kernels, avx512_vnni_kernels,
                                           avx512_bf16_kernels};
#else
  constexpr TablesByIsa<Kernels> tables = {generic_kernels};
#endif
  return table_of<Kernels>(isa, tables);
}

const Kernels& kernels() {
  static const Kernels& chosen = bf16_pairs_are_slow() ? widening_kernels() : kernels_of(machine_isa());
  return chosen;
}

const Kernels& widening_kernels() {
#if defined(__x86_64__)
  if (machine_isa() >= Isa::avx512_vnni) return avx512_widening_kernels();
#endif
  throw std::logic_error("kernels: this machine has no widening ones");
}

bool narrows(const Kernels& kernels) { return kernels.attention_bf16 != nullptr; }

bool has(const Kernels& kernels, Precision precision) {
  switch (precision) {
    case Precision::f32:
      return true;
    case Precision::bf16:
      return kernels.product_bf16 != nullptr;
    case Precision::int8:
      return kernels.product_int8 != nullptr;
    case Precision::f16:
      return false;
  }
  return false;
}

std::size_t panel_groups(const Kernels& kernels, std::size_t depth, std::size_t columns) {
  return (columns + kernels.panel - 1) / kernels.panel * kernels.panel * depth;
}

std::size_t attention_scratch(std::size_t rows, std::size_t head_size) {
  // Scores of one row tile, one tile of outputs, and per row the running output, maximum and sum (see
  // attention_loop.h).
  const std::size_t padded_head = (head_size + 15) / 16 * 16;
  return kMostTileRows * (kKeyBlock + padded_head) + rows * padded_head + 2 * ((rows + 15) / 16 * 16);
}

}  // namespace mt
