#include "heads/feature_matrix.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

Tensor feature_matrix(const Batch& batch, std::size_t rows) {
  const std::size_t samples = batch.samples();
  if (samples == 0) return Tensor(DType::f32, {0, batch.rows.columns()});
  if (rows == 0) rows = batch.row_end(0) - batch.row_begin(0);
  for (std::size_t i = 0; i < samples; ++i) {
    const std::size_t length = batch.row_end(i) - batch.row_begin(i);
    if (length == rows) continue;
    throw Error(printable(batch.ids[i]), fmt::format("has {} rows, the head takes {} a sample", length, rows),
                "samples of different lengths need pooled features: mt-encode --pool cls, mean or max");
  }
  Tensor values = batch.rows.dtype() == DType::f32 ? batch.rows : batch.rows.to(DType::f32);
  return std::move(values).reshaped({samples, rows * batch.rows.columns()});
}

}  // namespace mt
