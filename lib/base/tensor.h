// The one tensor type: a run-time dtype, a shape, and 64-byte aligned bytes that it owns or borrows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace mt {

// Storage types. bf16 is the upper half of a float32; f16 is IEEE half precision.
enum class DType : std::uint8_t { f32, f64, f16, bf16, i64, i32, i16, i8, u8, u16, boolean };

std::size_t size_of(DType dtype);          // bytes of one element
std::string_view name_of(DType dtype);     // "float32", "bfloat16", "int64", "bool", ...
DType dtype_named(std::string_view name);  // the reverse, "f32" too; throws Error

// Raw storage of the 16-bit float types, so that span<T> tells them apart from integers.
enum class Half : std::uint16_t {};
enum class BFloat16 : std::uint16_t {};
float to_float(Half value);
float to_float(BFloat16 value);
Half to_half(float value);          // round to nearest even; overflow gives infinity
BFloat16 to_bfloat16(float value);  // round to nearest even; NaN stays NaN

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, Half>)
    return DType::f16;
  else if constexpr (std::is_same_v<T, BFloat16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return DType::i64;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return DType::i16;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return DType::i8;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<T, std::uint16_t>)
    return DType::u16;
  else {
    static_assert(std::is_same_v<T, bool>, "no DType for this C++ type");
    return DType::boolean;
  }
}

// Sizes, slowest dimension first. An empty shape is a scalar.
using Shape = std::vector<std::size_t>;
std::size_t element_count(const Shape& shape);  // throws Error on overflow: a shape from a file is a claim, not a fact
std::string to_string(const Shape& shape);      // "[197, 768]"

class Tensor {
 public:
  Tensor() = default;                // f32, shape [0]
  Tensor(DType dtype, Shape shape);  // owned, zeros; throws Error on overflow, std::bad_alloc when memory is short

  // A view of bytes that keep_alive keeps valid (a mapped file, another tensor). Read only.
  static Tensor borrowed(DType dtype, Shape shape, const void* data, std::shared_ptr<const void> keep_alive);
  template <class T>
  static Tensor of(Shape shape, std::span<const T> values) {
    Tensor t(dtype_of<T>(), std::move(shape));
    t.copy_in(values.data(), values.size(), dtype_of<T>());
    return t;
  }
  template <class T>
  static Tensor of(Shape shape, std::initializer_list<T> values) {
    return of<T>(std::move(shape), std::span<const T>(values.begin(), values.size()));
  }

  // Copies are deep, except that a borrowed tensor's copy borrows too.
  Tensor(const Tensor& other);
  Tensor& operator=(const Tensor& other);
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;
  ~Tensor() = default;

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::size_t size() const { return count_; }  // elements
  std::size_t rows() const { return shape_.empty() ? 1 : shape_[0]; }
  std::size_t columns() const { return columns_; }  // elements of one row
  bool empty() const { return count_ == 0; }
  bool is_borrowed() const { return owned_ == nullptr && data_ != nullptr; }

  const std::byte* data() const { return data_; }
  std::byte* mutable_data();  // logic_error on a borrowed tensor
  std::span<const std::byte> bytes() const { return {data_, count_ * size_of(dtype_)}; }

  // Elements; logic_error when T is not the tensor's type.
  template <class T>
  std::span<const T> as() const {
    require_dtype(dtype_of<T>());
    return {reinterpret_cast<const T*>(data_), count_};
  }
  template <class T>
  std::span<T> as() {
    require_dtype(dtype_of<T>());
    return {reinterpret_cast<T*>(mutable_data()), count_};
  }
  template <class T>
  std::span<const T> row(std::size_t i) const {
    return as<T>().subspan(i * columns_, columns_);
  }
  template <class T>
  std::span<T> row(std::size_t i) {
    return as<T>().subspan(i * columns_, columns_);
  }

  // The same elements under another shape of equal size (logic_error otherwise). Borrows when this borrows.
  Tensor reshaped(Shape shape) const&;
  Tensor reshaped(Shape shape) &&;

  // Changes the number of rows, keeps the first ones; new rows are zeros. Grows geometrically, so appending is cheap.
  void resize_rows(std::size_t rows);

  // Rows [begin, end) as a copy.
  Tensor rows_copy(std::size_t begin, std::size_t end) const;

  // Converted copy; floats of any width, integers and booleans to f32, f64; f32 to f16 and bf16. Throws Error
  // otherwise.
  Tensor to(DType dtype) const;

 private:
  struct FreeAligned {
    void operator()(std::byte* p) const;
  };
  void require_dtype(DType dtype) const;
  void copy_in(const void* data, std::size_t count, DType dtype);
  void set_shape(Shape shape);

  DType dtype_ = DType::f32;
  Shape shape_ = {0};
  std::size_t count_ = 0, columns_ = 1, capacity_ = 0;  // capacity in bytes, owned only
  std::unique_ptr<std::byte[], FreeAligned> owned_;
  std::shared_ptr<const void> keep_alive_;
  const std::byte* data_ = nullptr;
};

}  // namespace mt
