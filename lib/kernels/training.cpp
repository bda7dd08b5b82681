#include "kernels/training.h"

#include "kernels/dispatch.h"
#include "kernels/training_tables.h"

namespace mt {

const TrainingKernels& training_kernels_of(Isa isa) {
#if defined(__x86_64__)
  // Float32 alone: the levels above avx512 add nothing.
  constexpr TablesByIsa<TrainingKernels> tables = {generic_training_kernels, avx2_training_kernels,
                                                   avx512_training_kernels, avx512_training_kernels,
                                                   avx512_training_kernels};
#else
  constexpr TablesByIsa<TrainingKernels> tables = {generic_training_kernels};
#endif
  return table_of<TrainingKernels>(isa, tables);
}

const TrainingKernels& training_kernels() {
  static const TrainingKernels& chosen = training_kernels_of(machine_isa());
  return chosen;
}

std::size_t attention_gradient_scratch(std::size_t tokens, std::size_t head_size) {
  return attention_gradient_layout(tokens, head_size, kWidestLanes, kWidestPanel).size;
}

}  // namespace mt
