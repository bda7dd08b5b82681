// Borrowed row-major matrices [count, width] whose rows lie `stride` elements apart.
#pragma once

#include <cstddef>
#include <cstdint>
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
};

// The same, of float32 or, where narrow, bfloat16: what passes between layers.
struct AnyRows {
  void* data = nullptr;
  std::size_t count = 0, width = 0, stride = 0;
  bool narrow = false;

  AnyRows() = default;
  AnyRows(void* first, bool is_narrow, std::size_t row_count, std::size_t row_width)
      : data(first), count(row_count), width(row_width), stride(row_width), narrow(is_narrow) {}
  AnyRows(Rows<float> x) : data(x.data), count(x.count), width(x.width), stride(x.stride) {}

  std::size_t element() const { return narrow ? sizeof(std::uint16_t) : sizeof(float); }
  void* at(std::size_t row, std::size_t column) const {
    return static_cast<std::byte*>(data) + (row * stride + column) * element();
  }
  AnyRows rows(std::size_t begin, std::size_t end) const {
    AnyRows part = *this;
    part.data = at(begin, 0);
    part.count = end - begin;
    return part;
  }
};

}  // namespace mt
