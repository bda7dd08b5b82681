// What the tables of all levels have in common. Included by the sources that are compiled for one level each.
#pragma once

#include "kernels/attention_loop.h"
#include "kernels/filterbank_loop.h"
#include "kernels/panel_loop.h"
#include "kernels/product_loop.h"
#include "kernels/row_loop.h"
#include "kernels/tables.h"

namespace mt {

// Float32 alone.
template <class V>
constexpr Kernels float_table(Isa isa) {
  Kernels k{};
  k.isa = isa;
  k.lanes = V::lanes;
  k.panel = V::tile_vectors * V::lanes;
  k.product_f32 = product<V, FloatProduct<V>>;
  k.attention_f32 = attention<V, FloatAttention<V>>;
  k.layer_norm = layer_norm<V>;
  k.narrow = narrow_row<V>;
  k.filterbank = FilterbankLoop<V>::run;
  k.pack_panels = pack_panels<V>;
  return k;
}

// With int8 products of groups of so many numbers.
template <class V, class Operands, std::size_t group>
constexpr Kernels integer_table(Isa isa) {
  Kernels k = float_table<V>(isa);
  k.int8_group = group;
  k.product_int8 = product<V, IntegerProduct<V, Operands>>;
  k.quantise = quantise<V, group>;
  return k;
}

}  // namespace mt
