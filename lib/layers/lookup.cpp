#include "layers/lookup.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

void add_row(std::span<const float> from, std::span<float> to) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
}

void require_rows(std::size_t ids, const Tensor& rows, std::size_t width) {
  if (rows.shape() != Shape{ids, width}) throw std::logic_error("Lookup: rows of another shape");
}

}  // namespace

void Lookup::add(std::span<const std::int32_t> ids, Tensor& y) const {
  require_rows(ids.size(), y, width());
  for (std::size_t t = 0; t < ids.size(); ++t) {
    if (ids[t] < 0 || static_cast<std::size_t>(ids[t]) >= entries()) {
      throw Error(table.name, fmt::format("has {} rows, the id {} is none of them", entries(), ids[t]),
                  "use the model and the vocabulary that belong together");
    }
    add_row(table.value.row<float>(static_cast<std::size_t>(ids[t])), y.row<float>(t));
  }
}

RowGradients Lookup::row_gradients(std::span<const std::int32_t> ids, const Tensor& dy) const {
  require_rows(ids.size(), dy, width());
  RowGradients gradients{{ids.begin(), ids.end()}, {}};
  std::sort(gradients.rows.begin(), gradients.rows.end());
  gradients.rows.erase(std::unique(gradients.rows.begin(), gradients.rows.end()), gradients.rows.end());
  gradients.values = Tensor(DType::f32, {gradients.rows.size(), width()});
  for (std::size_t t = 0; t < ids.size(); ++t) {
    const auto at = std::lower_bound(gradients.rows.begin(), gradients.rows.end(), ids[t]) - gradients.rows.begin();
    add_row(dy.row<float>(t), gradients.values.row<float>(static_cast<std::size_t>(at)));
  }
  return gradients;
}

void Lookup::backward(std::span<const std::int32_t> ids, const Tensor& dy) {
  if (!table.learns()) return;
  const RowGradients gradients = row_gradients(ids, dy);
  for (std::size_t i = 0; i < gradients.rows.size(); ++i) {
    add_row(gradients.values.row<float>(i), table.gradient.row<float>(static_cast<std::size_t>(gradients.rows[i])));
  }
}

}  // namespace mt
