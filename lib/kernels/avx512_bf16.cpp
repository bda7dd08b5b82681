// Compiled for avx512_bf16 alone (flags in lib/CMakeLists.txt): nothing here may call an inline function of the
// standard library, whose copy for this instruction set could be the one that the linker keeps for everybody.
#if defined(__x86_64__)
#include "kernels/attention_loop.h"
#include "kernels/filterbank_loop.h"
#include "kernels/panel_loop.h"
#include "kernels/product_loop.h"
#include "kernels/row_loop.h"
#include "kernels/tables.h"
#include "kernels/vector_avx512.h"

namespace mt {

const Kernels& avx512_bf16_kernels() {
  using V = Avx512Bf16;
  static constexpr Kernels table = [] {
    Kernels k{};
    k.isa = Isa::avx512_bf16;
    k.lanes = V::lanes;
    k.panel = V::tile_vectors * V::lanes;
    k.int8_group = 4;
    k.product_f32 = product_narrowing<V, FloatProduct<V>>;
    k.product_bf16 = product_narrowing<V, NarrowProduct<V>>;
    k.product_int8 = product_narrowing<V, IntegerProduct<V, V::Bytes>>;
    k.attention_f32 = attention<V, FloatAttention<V>>;
    k.attention_bf16 = attention<V, NarrowAttention<V>>;
    k.quantise = quantise<V, 4>;
    k.layer_norm = layer_norm<V>;
    k.narrow = narrow_row<V>;
    k.filterbank = FilterbankLoop<V>::run;
    k.pack_panels = pack_panels<V>;
    return k;
  }();
  return table;
}

}  // namespace mt
#endif
