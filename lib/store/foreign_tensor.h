// Tensors in files of others: any memory order, any alignment, any byte for a boolean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace mt {

// The tensor that lies row-major in content, whose size the caller has checked: a view of it, or a copy where it is not
// aligned to its elements. Throws Error when a boolean is neither 0 nor 1.
Tensor foreign_tensor(DType dtype, Shape shape, std::span<const std::byte> content,
                      std::shared_ptr<const void> keep_alive, std::string_view where);
void require_booleans(const Tensor& tensor, std::string_view where);  // other types pass

// Elements of from, at the given strides (in elements, one a dimension), in row-major order. The caller has checked
// that the last element lies within from.
Tensor contiguous_copy(DType dtype, const Shape& shape, std::span<const std::uint64_t> strides,
                       std::span<const std::byte> from);

}  // namespace mt
