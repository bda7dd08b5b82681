#include "layers/linear.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace mt {

namespace {

std::vector<float> transposed(std::span<const float> matrix, std::size_t rows, std::size_t columns) {
  std::vector<float> result(matrix.size());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) result[j * rows + i] = matrix[i * columns + j];
  }
  return result;
}

}  // namespace

Linear::Linear(std::span<const float> weight, std::span<const float> bias, std::size_t inputs, std::size_t outputs,
               Finish finish, const Kernels& kernels, Precision precision, ProductBackend backend, WeightOrder order)
    : inputs_(inputs),
      outputs_(outputs),
      depth_(groups_of(inputs, precision, kernels)),
      finish_(finish),
      kernels_(&kernels),
      precision_(precision),
      order_(order),
      uses_onednn_(backend == ProductBackend::onednn ||
                   (backend == ProductBackend::automatic && kernels.isa == Isa::generic)) {
  if (order == WeightOrder::by_input && precision == Precision::int8) {
    throw std::logic_error("linear: int8 weights are not packed by input");
  }
  replace(weight, bias);
}

void Linear::replace(std::span<const float> weight, std::span<const float> bias) {
  if (weight.size() != inputs_ * outputs_ || (!bias.empty() && bias.size() != outputs_)) {
    throw std::logic_error("linear: weight or bias has another shape than [outputs, inputs]");
  }
  const std::size_t padded = panel_groups(*kernels_, 1, outputs_);
  std::fill_n(bias_.reserve(padded), padded, 0.0f);
  std::copy(bias.begin(), bias.end(), bias_.data());
  if (uses_onednn_) {
    const std::vector<float> turned =
        order_ == WeightOrder::by_input ? transposed(weight, inputs_, outputs_) : std::vector<float>();
    onednn_.emplace(turned.empty() ? weight.data() : turned.data(), bias_.data(), inputs_, outputs_, finish_);
  } else if (order_ == WeightOrder::by_output) {
    pack(weight);
  } else if (precision_ == Precision::f32) {
    pack_by_input(weight);
  } else {
    pack_by_input_narrowed(weight);
  }
}

// A panel's rows are pieces of the matrix's.
void Linear::pack_by_input(std::span<const float> weight) {
  const std::size_t panel = kernels_->panel;
  auto* out = reinterpret_cast<float*>(panels_.reserve(panel_groups(*kernels_, depth_, outputs_)));
  for (std::size_t column = 0; column < outputs_; column += panel) {
    const std::size_t width = std::min(panel, outputs_ - column);
    for (std::size_t k = 0; k < inputs_; ++k, out += panel) {
      std::fill(std::copy_n(weight.data() + k * outputs_ + column, width, out), out + panel, 0.0F);
    }
  }
}

// A group holds two inputs of one output, which lie a row apart.
void Linear::pack_by_input_narrowed(std::span<const float> weight) {
  const std::size_t panel = kernels_->panel;
  Group* panels = panels_.reserve(panel_groups(*kernels_, depth_, outputs_));
  Aligned<float> turned(inputs_);
  Aligned<std::uint32_t> rows(panel * depth_);  // of one panel
  for (std::size_t begin = 0; begin < outputs_; begin += panel) {
    const std::size_t end = std::min(begin + panel, outputs_);
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t k = 0; k < inputs_; ++k) turned.data()[k] = weight[k * outputs_ + i];
      kernels_->narrow(turned.data(), inputs_, reinterpret_cast<std::uint16_t*>(rows.data() + (i - begin) * depth_));
    }
    if (end - begin < panel) std::fill_n(panels + begin * depth_, panel * depth_, Group{0});
    kernels_->pack_panels(rows.data(), depth_, begin, end, depth_, panels);
  }
}

void Linear::pack(std::span<const float> weight) {
  const std::size_t padded = panel_groups(*kernels_, 1, outputs_), last = outputs_ / kernels_->panel * kernels_->panel;
  Group* panels = panels_.reserve(padded * depth_);
  std::fill(panels + last * depth_, panels + padded * depth_, Group{0});
  if (precision_ == Precision::f32) {
    kernels_->pack_panels(reinterpret_cast<const Group*>(weight.data()), inputs_, 0, outputs_, inputs_, panels);
    return;
  }
  std::fill_n(scales_.reserve(padded), padded, 0.0f);
  std::fill_n(corrections_.reserve(padded), padded, 0);
  Aligned<std::uint32_t> rows(kernels_->panel * depth_);  // of one panel, in the precision
  for (std::size_t begin = 0; begin < outputs_; begin += kernels_->panel) {
    const std::size_t end = std::min(begin + kernels_->panel, outputs_);
    for (std::size_t i = begin; i < end; ++i) {
      Group* row = rows.data() + (i - begin) * depth_;
      const float* values = weight.data() + i * inputs_;
      if (precision_ == Precision::bf16) {
        kernels_->narrow(values, inputs_, reinterpret_cast<std::uint16_t*>(row));
        continue;
      }
      scales_.data()[i] = kernels_->quantise(values, false, inputs_, row);
      if (kernels_->int8_group != 4) continue;
      // The left operand carries the offset of 128, the weights do not: what it adds to each sum is taken away again.
      auto* bytes = reinterpret_cast<std::uint8_t*>(row);
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < inputs_; ++k) {
        sum += static_cast<std::int32_t>(bytes[k]) - 128;
        bytes[k] ^= 0x80;
      }
      corrections_.data()[i] = 128 * sum;
    }
    kernels_->pack_panels(rows.data(), depth_, begin, end, depth_, panels);
  }
}

void Linear::forward(const OperandRows& x, AnyRows y) const {
  if (onednn_) {
    onednn_->run(reinterpret_cast<const float*>(x.groups), x.stride, x.count, static_cast<float*>(y.data), y.stride);
    return;
  }
  ProductCall call;
  call.a = x.groups;
  call.a_stride = x.stride;
  call.rows = x.count;
  call.depth = depth_;
  call.columns = outputs_;
  call.panels = panels_.data();
  call.bias = bias_.data();
  call.row_scales = x.scales;
  call.column_scales = scales_.data();
  call.corrections = corrections_.data();
  call.finish = finish_;
  call.narrow = y.narrow;
  call.y = y.data;
  call.y_stride = y.stride;
  switch (precision_) {
    case Precision::f32:
      return kernels_->product_f32(call);
    case Precision::bf16:
      return kernels_->product_bf16(call);
    case Precision::int8:
      return kernels_->product_int8(call);
    case Precision::f16:
      throw std::logic_error("linear: no products of half precision");
  }
}

}  // namespace mt
