// From rows to panels: transposes in registers.
#pragma once

#include "kernels/kernels.h"

namespace mt {

// Columns of the panels are written in groups of `lanes`, of which only [begin, end) are touched.
template <class V>
void pack_panels(const Group* x, std::size_t x_stride, std::size_t begin, std::size_t end, std::size_t depth,
                 Group* panels) {
  constexpr std::size_t panel = V::tile_vectors * V::lanes, lanes = V::lanes;
  for (std::size_t group = begin / lanes * lanes; group < end; group += lanes) {
    const std::size_t from = group < begin ? begin - group : 0, to = end - group < lanes ? end - group : lanes;
    Group* target = panels + group / panel * panel * depth + group % panel;
    for (std::size_t d = 0; d < depth; d += lanes) {
      const std::size_t width = depth - d < lanes ? depth - d : lanes;
      typename V::G rows[lanes];
      for (std::size_t i = 0; i < lanes; ++i) {
        rows[i] = V::no_groups();
        if (i < from || i >= to) continue;
        const Group* row = x + (group + i - begin) * x_stride + d;
        rows[i] = width == lanes ? V::load_groups(row) : V::load_first_groups(row, width);
      }
      V::transpose(rows);
      for (std::size_t i = 0; i < width; ++i) {
        Group* column = target + (d + i) * panel;
        if (from == 0 && to == lanes) {
          V::store_groups(column, rows[i]);
        } else {
          alignas(64) Group values[lanes];
          V::store_groups(values, rows[i]);
          for (std::size_t c = from; c < to; ++c) column[c] = values[c];
        }
      }
    }
  }
}

}  // namespace mt
