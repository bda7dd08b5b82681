// Compiled for avx512_vnni alone (flags in lib/CMakeLists.txt): nothing here may call an inline function of the
// standard library, whose copy for this instruction set could be the one that the linker keeps for everybody.
#if defined(__x86_64__)
#include "kernels/kernel_table.h"
#include "kernels/vector_avx512.h"

namespace mt {

namespace {

using V = Avx512Vnni;

constexpr Kernels kPlain = integer_table<V, V::Bytes, 4>(Isa::avx512_vnni);

constexpr Kernels kWidening = [] {
  Kernels k = kPlain;
  k.product_bf16 = product<V, WidenedProduct<V>>;
  return k;
}();

}  // namespace

const Kernels& avx512_vnni_kernels() { return kPlain; }
const Kernels& avx512_widening_kernels() { return kWidening; }

}  // namespace mt
#endif
