// A borrowed row-major matrix [count, width] whose rows lie `stride` elements apart.
#pragma once

#include <cstddef>
#include <type_traits>

namespace mt {

template <class T>
struct Rows {
  T* data = nullptr;
  std::size_t count = 0, width = 0, stride = 0;

  Rows() = default;
  Rows(T* first, std::size_t row_count, std::size_t row_width) : Rows(first, row_count, row_width, row_width) {}
  Rows(T* first, std::size_t row_count, std::size_t row_width, std::size_t row_stride)
      : data(first), count(row_count), width(row_width), stride(row_stride) {}
  // A matrix that may be written may be read.
  operator Rows<const T>() const requires(!std::is_const_v<T>) { return {data, count, width, stride}; }

  T* row(std::size_t i) const { return data + i * stride; }
  Rows rows(std::size_t begin, std::size_t end) const { return {row(begin), end - begin, width, stride}; }
  Rows columns(std::size_t begin, std::size_t end) const { return {data + begin, count, end - begin, stride}; }
};

}  // namespace mt
