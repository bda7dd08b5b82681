// What the compiler makes of the kernels for the baseline instruction set.
#include "kernels/attention_loop.h"
#include "kernels/layer_norm_loop.h"
#include "kernels/panel_loop.h"
#include "kernels/product_loop.h"
#include "kernels/tables.h"
#include "kernels/vector_generic.h"

namespace mt {

const Kernels& generic_kernels() {
  using V = Generic;
  static constexpr Kernels table{Isa::generic,  V::lanes,      V::tile_vectors * V::lanes, product<V>, attention<V>,
                                 layer_norm<V>, pack_panels<V>};
  return table;
}

}  // namespace mt
