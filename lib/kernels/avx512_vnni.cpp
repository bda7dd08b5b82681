// Compiled for avx512_vnni alone (flags in lib/CMakeLists.txt): nothing here may call an inline function of the
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

namespace {

using V = Avx512Vnni;

constexpr Kernels table_with(void (*product_bf16)(const ProductCall& call)) {
  Kernels k{};
  k.isa = Isa::avx512_vnni;
  k.lanes = V::lanes;
  k.panel = V::tile_vectors * V::lanes;
  k.int8_group = 4;
  k.product_f32 = product<V, FloatProduct<V>>;
  k.product_bf16 = product_bf16;
  k.product_int8 = product<V, IntegerProduct<V, V::Bytes>>;
  k.attention_f32 = attention<V, FloatAttention<V>>;
  k.quantise = quantise<V, 4>;
  k.layer_norm = layer_norm<V>;
  k.narrow = narrow_row<V>;
  k.filterbank = FilterbankLoop<V>::run;
  k.pack_panels = pack_panels<V>;
  return k;
}

constexpr Kernels kPlain = table_with(nullptr), kWidening = table_with(product<V, WidenedProduct<V>>);

}  // namespace

const Kernels& avx512_vnni_kernels() { return kPlain; }
const Kernels& avx512_widening_kernels() { return kWidening; }

}  // namespace mt
#endif
