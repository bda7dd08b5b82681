// Compiled for avx2 alone (flags in lib/CMakeLists.txt): nothing here may call an inline function of the standard
// library, whose copy for this instruction set could be the one that the linker keeps for everybody.
#if defined(__x86_64__)
#include "kernels/kernel_table.h"
#include "kernels/vector_avx2.h"

namespace mt {

const Kernels& avx2_kernels() {
  static constexpr Kernels table = integer_table<Avx2, Avx2::Int16Pairs, 2>(Isa::avx2);
  return table;
}

}  // namespace mt
#endif
