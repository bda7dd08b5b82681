// Compiled for avx512_bf16 alone (flags in lib/CMakeLists.txt): nothing here may call an inline function of the
// standard library, whose copy for this instruction set could be the one that the linker keeps for everybody.
#if defined(__x86_64__)
#include "kernels/kernel_table.h"
#include "kernels/vector_avx512.h"

namespace mt {

const Kernels& avx512_bf16_kernels() {
  using V = Avx512Bf16;
  static constexpr Kernels table = [] {
    Kernels k = integer_table<V, V::Bytes, 4>(Isa::avx512_bf16);
    k.product_f32 = product_narrowing<V, FloatProduct<V>>;
    k.product_bf16 = product_narrowing<V, NarrowProduct<V>>;
    k.product_int8 = product_narrowing<V, IntegerProduct<V, V::Bytes>>;
    k.attention_bf16 = attention<V, NarrowAttention<V>>;
    return k;
  }();
  return table;
}

}  // namespace mt
#endif
