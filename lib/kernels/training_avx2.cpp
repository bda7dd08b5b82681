// Compiled for avx2 alone (flags in lib/CMakeLists.txt): nothing here may call an inline function of the standard
// library, whose copy for this instruction set could be the one that the linker keeps for everybody.
#if defined(__x86_64__)
#include "kernels/training_loop.h"
#include "kernels/training_tables.h"
#include "kernels/vector_avx2.h"

namespace mt {

const TrainingKernels& avx2_training_kernels() {
  static constexpr TrainingKernels table = training_table<Avx2>();
  return table;
}

}  // namespace mt
#endif
