// Compiled for avx512 alone (flags in lib/CMakeLists.txt): nothing here may call an inline function of the standard
// library, whose copy for this instruction set could be the one that the linker keeps for everybody.
#if defined(__x86_64__)
#include "kernels/attention_loop.h"
#include "kernels/layer_norm_loop.h"
#include "kernels/panel_loop.h"
#include "kernels/product_loop.h"
#include "kernels/tables.h"
#include "kernels/vector_avx512.h"

namespace mt {

const Kernels& avx512_kernels() {
  using V = Avx512;
  static constexpr Kernels table{Isa::avx512,   V::lanes,      V::tile_vectors * V::lanes, product<V>, attention<V>,
                                 layer_norm<V>, pack_panels<V>};
  return table;
}

}  // namespace mt
#endif
