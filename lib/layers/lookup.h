// y = table[id]: an embedding of numbered things.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"
#include "layers/parameter.h"

namespace mt {

// The gradient of the few rows of a table that a batch looked up.
struct RowGradients {
  std::vector<std::int32_t> rows;  // ascending, each once
  Tensor values;                   // [rows, width]
};

struct Lookup {
  Parameter table;  // [entries, width]

  Lookup() = default;
  Lookup(std::string name, Tensor value, bool decays = false) : table(std::move(name), std::move(value), decays) {}

  std::size_t entries() const { return table.value.rows(); }
  std::size_t width() const { return table.value.columns(); }

  // ids: [tokens]; adds its row of the table to each row of y [tokens, width]. Throws Error for an id without a row.
  void add(std::span<const std::int32_t> ids, Tensor& y) const;

  // dy: [tokens, width]. The sums over tokens run in the tokens' order.
  RowGradients row_gradients(std::span<const std::int32_t> ids, const Tensor& dy) const;
  // Adds the same to the table's gradient where it learns.
  void backward(std::span<const std::int32_t> ids, const Tensor& dy);
};

}  // namespace mt
