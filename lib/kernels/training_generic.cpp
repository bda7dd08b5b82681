// What the compiler makes of the training kernels for the baseline instruction set.
#include "kernels/training_loop.h"
#include "kernels/training_tables.h"
#include "kernels/vector_generic.h"

namespace mt {

const TrainingKernels& generic_training_kernels() {
  static constexpr TrainingKernels table = training_table<Generic>();
  return table;
}

}  // namespace mt
