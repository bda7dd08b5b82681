#include "store/foreign_tensor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace mt {

namespace {

// Copies count elements of Size bytes, stride elements apart.
template <std::size_t Size>
void gather(const std::byte* from, std::uint64_t stride, std::size_t count, std::byte* to) {
  for (std::size_t i = 0; i < count; ++i) std::memcpy(to + i * Size, from + i * stride * Size, Size);
}

void gather(std::size_t size, const std::byte* from, std::uint64_t stride, std::size_t count, std::byte* to) {
  switch (size) {
    case 1:
      gather<1>(from, stride, count, to);
      return;
    case 2:
      gather<2>(from, stride, count, to);
      return;
    case 4:
      gather<4>(from, stride, count, to);
      return;
    default:
      gather<8>(from, stride, count, to);
      return;
  }
}

}  // namespace

Tensor foreign_tensor(DType dtype, Shape shape, std::span<const std::byte> content,
                      std::shared_ptr<const void> keep_alive, std::string_view where) {
  Tensor tensor;
  if (reinterpret_cast<std::uintptr_t>(content.data()) % size_of(dtype) == 0) {
    tensor = Tensor::borrowed(dtype, std::move(shape), content.data(), std::move(keep_alive));
  } else {
    tensor = Tensor(dtype, std::move(shape));
    if (!tensor.empty()) std::memcpy(tensor.mutable_data(), content.data(), tensor.bytes().size());
  }
  require_booleans(tensor, where);
  return tensor;
}

void require_booleans(const Tensor& tensor, std::string_view where) {
  if (tensor.dtype() != DType::boolean) return;
  const auto bytes = tensor.bytes();
  if (std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; })) {
    throw Error(where, "holds a boolean that is neither 0 nor 1");
  }
}

Tensor contiguous_copy(DType dtype, const Shape& shape, std::span<const std::uint64_t> strides,
                       std::span<const std::byte> from) {
  Tensor to(dtype, shape);
  if (to.empty()) return to;
  const std::size_t size = size_of(dtype), rank = shape.size();
  const std::size_t row = rank == 0 ? 1 : shape.back();
  const std::uint64_t row_stride = rank == 0 ? 1 : strides.back();
  std::vector<std::size_t> index(rank, 0);  // of the row being copied; the last dimension stays 0
  std::uint64_t start = 0;
  for (std::size_t done = 0; done < to.size(); done += row) {
    gather(size, from.data() + start * size, row_stride, row, to.mutable_data() + done * size);
    for (std::size_t d = rank < 2 ? 0 : rank - 1; d-- > 0;) {
      start += strides[d];
      if (++index[d] < shape[d]) break;
      start -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
  return to;
}

}  // namespace mt
