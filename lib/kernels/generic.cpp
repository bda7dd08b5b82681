// What the compiler makes of the kernels for the baseline instruction set: float32 alone.
#include "kernels/attention_loop.h"
#include "kernels/filterbank_loop.h"
#include "kernels/panel_loop.h"
#include "kernels/product_loop.h"
#include "kernels/row_loop.h"
#include "kernels/tables.h"
#include "kernels/vector_generic.h"

namespace mt {

const Kernels& generic_kernels() {
  using V = Generic;
  static constexpr Kernels table = [] {
    Kernels k{};
    k.isa = Isa::generic;
    k.lanes = V::lanes;
    k.panel = V::tile_vectors * V::lanes;
    k.product_f32 = product<V, FloatProduct<V>>;
    k.attention_f32 = attention<V, FloatAttention<V>>;
    k.layer_norm = layer_norm<V>;
    k.narrow = narrow_row<V>;
    k.filterbank = FilterbankLoop<V>::run;
    k.pack_panels = pack_panels<V>;
    return k;
  }();
  return table;
}

}  // namespace mt
