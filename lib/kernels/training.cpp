#include "kernels/training.h"

#include <stdexcept>
#include <string>

#include "kernels/training_tables.h"

namespace mt {

const TrainingKernels& training_kernels_of(Isa isa) {
  if (isa > machine_isa()) throw std::logic_error("kernels: this machine has no " + std::string(name_of(isa)));
  switch (isa) {
    case Isa::generic:
      return generic_training_kernels();
#if defined(__x86_64__)
    case Isa::avx2:
      return avx2_training_kernels();
    case Isa::avx512:
    case Isa::avx512_vnni:
    case Isa::avx512_bf16:
      return avx512_training_kernels();  // float32 alone: the higher levels add nothing
#else
    case Isa::avx2:
    case Isa::avx512:
    case Isa::avx512_vnni:
    case Isa::avx512_bf16:
      break;
#endif
  }
  throw std::logic_error("kernels: this build has no " + std::string(name_of(isa)));
}

const TrainingKernels& training_kernels() {
  static const TrainingKernels& chosen = training_kernels_of(machine_isa());
  return chosen;
}

std::size_t attention_gradient_scratch(std::size_t tokens, std::size_t head_size) {
  return attention_gradient_layout(tokens, head_size, kWidestLanes, kWidestPanel).size;
}

}  // namespace mt
