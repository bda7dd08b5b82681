// What the compiler makes of the kernels for the baseline instruction set: float32 alone.
#include "kernels/kernel_table.h"
#include "kernels/vector_generic.h"

namespace mt {

const Kernels& generic_kernels() {
  static constexpr Kernels table = float_table<Generic>(Isa::generic);
  return table;
}

}  // namespace mt
