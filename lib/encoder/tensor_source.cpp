#include "encoder/tensor_source.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
}

Shape without_leading_ones(Shape shape, std::size_t rank) {
  while (shape.size() > rank && shape[0] == 1) shape.erase(shape.begin());
  return shape;
}

}  // namespace

TensorSource::TensorSource(std::map<std::string, Tensor> tensors, std::string prefix)
    : tensors_(std::move(tensors)), prefix_(std::move(prefix)) {}

const Tensor* TensorSource::find(std::string_view name) const {
  const auto found = tensors_.find(fmt::format("{}{}", prefix_, name));
  return found == tensors_.end() ? nullptr : &found->second;
}

std::optional<Tensor> TensorSource::take(std::string_view name, const Shape& wanted) {
  return take_outside(fmt::format("{}{}", prefix_, name), wanted);
}

std::optional<Tensor> TensorSource::take_outside(const std::string& name, const Shape& wanted) {
  auto node = tensors_.extract(name);
  if (node.empty()) {
    missing_.push_back(name);
    return std::nullopt;
  }
  Tensor& tensor = node.mapped();
  if (without_leading_ones(tensor.shape(), wanted.size()) != wanted || !is_float(tensor.dtype())) {
    misshapen_.push_back(fmt::format("{} is {} {}, expected {}", name, name_of(tensor.dtype()),
                                     to_string(tensor.shape()), to_string(wanted)));
    return std::nullopt;
  }
  if (tensor.dtype() != DType::f32) return tensor.to(DType::f32).reshaped(wanted);
  return std::move(tensor).reshaped(wanted);
}

void TensorSource::require_complete(const std::string& source) const {
  std::string why;
  if (!missing_.empty()) why = "lacks " + listed(missing_);
  if (!misshapen_.empty()) why += (why.empty() ? "" : "; ") + listed(misshapen_, 3);
  if (!why.empty()) throw Error(source, why, "see its tensors with mt-inspect");
}

}  // namespace mt
