#include "layers/operand.h"

#include <stdexcept>

namespace mt {

std::size_t groups_of(std::size_t elements, Precision precision, const Kernels& kernels) {
  std::size_t group = 1;
  if (precision == Precision::bf16) group = 2;
  if (precision == Precision::int8) group = kernels.int8_group;
  if (group == 0 || elements % group != 0) throw std::logic_error("operand: rows do not fill whole groups");
  return elements / group;
}

Precision left_precision(Precision precision, const Kernels& kernels) {
  return precision == Precision::bf16 && !narrows(kernels) ? Precision::f32 : precision;
}

OperandRows Operand::reserve(std::size_t rows, std::size_t width) {
  OperandRows made;
  made.count = rows;
  made.stride = stride_ = groups_of(width, precision_, *kernels_);
  made.groups = groups_.reserve(rows * stride_);
  if (precision_ == Precision::int8) made.scales = scales_.reserve(rows);
  return made;
}

void Operand::store_row(const void* row, bool narrow, std::size_t i, std::size_t width) {
  Group* target = groups_.data() + i * stride_;
  if (precision_ == Precision::int8)
    scales_.data()[i] = kernels_->quantise(row, narrow, width, target);
  else
    kernels_->narrow(static_cast<const float*>(row), width, reinterpret_cast<std::uint16_t*>(target));
}

OperandRows Operand::of(AnyRows x) {
  if (precision_ != Precision::int8) {
    if (x.narrow != (precision_ == Precision::bf16)) throw std::logic_error("operand: rows of another type");
    OperandRows same;
    same.groups = static_cast<const Group*>(x.data);
    same.count = x.count;
    same.stride = groups_of(x.stride, precision_, *kernels_);
    return same;
  }
  const OperandRows made = reserve(x.count, x.width);
  for (std::size_t i = 0; i < x.count; ++i) store_row(x.at(i, 0), x.narrow, i, x.width);
  return made;
}

OperandRows Operand::of_floats(Rows<const float> x) {
  if (precision_ == Precision::f32) return x;
  const OperandRows made = reserve(x.count, x.width);
  for (std::size_t i = 0; i < x.count; ++i) store_row(x.row(i), false, i, x.width);
  return made;
}

OperandRows Operand::of_normed(const LayerNorm& norm, Rows<const float> x) {
  const OperandRows made = reserve(x.count, x.width);
  if (precision_ == Precision::f32) {
    norm.forward(*kernels_, x, {reinterpret_cast<float*>(groups_.data()), x.count, x.width});
    return made;
  }
  const Rows<float> row(row_.reserve(x.width), 1, x.width);  // stays in the first-level cache
  for (std::size_t i = 0; i < x.count; ++i) {
    norm.forward(*kernels_, x.rows(i, i + 1), row);
    store_row(row.data, false, i, x.width);
  }
  return made;
}

}  // namespace mt
