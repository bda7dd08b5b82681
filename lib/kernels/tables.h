// The table of each level, made in the source that is compiled for it. Private to kernels/.
#pragma once

#include "kernels/kernels.h"

namespace mt {

const Kernels& generic_kernels();
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();
const Kernels& avx512_vnni_kernels();
const Kernels& avx512_widening_kernels();
const Kernels& avx512_bf16_kernels();

}  // namespace mt
