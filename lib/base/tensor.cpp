#include "base/tensor.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/checked.h"
#include "base/error.h"

namespace mt {

namespace {

constexpr std::size_t kAlignment = 64;  // one cache line, one AVX-512 register

// Aligned memory, whose true start is kept in front of it. Not aligned_alloc: glibc (2.36) cuts what it does not need
// off both ends, so that the hole that is left, when it is freed, is too small for the next block of the same size:
// tiles of a scene that came and went took 40 times the memory of those that were there at a time.
std::byte* allocate(std::size_t bytes) {
  void* const start = std::malloc(checked_add(bytes, kAlignment, "tensor"));
  if (start == nullptr) throw std::bad_alloc();
  const std::size_t ahead = kAlignment - reinterpret_cast<std::uintptr_t>(start) % kAlignment;
  static_assert(alignof(std::max_align_t) >= sizeof start);  // so that there is room for it
  std::byte* const memory = static_cast<std::byte*>(start) + ahead;
  std::memcpy(memory - sizeof start, &start, sizeof start);
  return memory;
}

void release(std::byte* memory) {
  void* start = nullptr;
  if (memory != nullptr) std::memcpy(&start, memory - sizeof start, sizeof start);
  std::free(start);
}

struct Name {
  DType dtype;
  std::string_view name, short_name;
  std::size_t size;
};
constexpr Name kNames[] = {
    {DType::f32, "float32", "f32", 4},    {DType::f64, "float64", "f64", 8},   {DType::f16, "float16", "f16", 2},
    {DType::bf16, "bfloat16", "bf16", 2}, {DType::i64, "int64", "i64", 8},     {DType::i32, "int32", "i32", 4},
    {DType::i16, "int16", "i16", 2},      {DType::i8, "int8", "i8", 1},        {DType::u8, "uint8", "u8", 1},
    {DType::u16, "uint16", "u16", 2},     {DType::boolean, "bool", "bool", 1},
};

const Name& entry(DType dtype) { return kNames[static_cast<std::size_t>(dtype)]; }

template <class From>
float widened(From value) {
  if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>)
    return to_float(value);
  else
    return static_cast<float>(value);
}

template <class From>
void convert(std::span<const From> from, Tensor& to) {
  switch (to.dtype()) {
    case DType::f32:
      std::transform(from.begin(), from.end(), to.as<float>().begin(), widened<From>);
      return;
    case DType::f64:
      std::transform(from.begin(), from.end(), to.as<double>().begin(), [](From v) {
        if constexpr (std::is_arithmetic_v<From>)
          return static_cast<double>(v);
        else
          return static_cast<double>(to_float(v));
      });
      return;
    case DType::f16:
      std::transform(from.begin(), from.end(), to.as<Half>().begin(), [](From v) { return to_half(widened(v)); });
      return;
    case DType::bf16:
      std::transform(from.begin(), from.end(), to.as<BFloat16>().begin(),
                     [](From v) { return to_bfloat16(widened(v)); });
      return;
    case DType::i64:
    case DType::i32:
    case DType::i16:
    case DType::i8:
    case DType::u8:
    case DType::u16:
    case DType::boolean:
      break;
  }
  throw Error("", fmt::format("cannot convert {} to {}", name_of(dtype_of<From>()), name_of(to.dtype())));
}

}  // namespace

std::size_t size_of(DType dtype) { return entry(dtype).size; }
std::string_view name_of(DType dtype) { return entry(dtype).name; }

DType dtype_named(std::string_view name) {
  for (const Name& candidate : kNames) {
    if (name == candidate.name || name == candidate.short_name) return candidate.dtype;
  }
  throw Error("", fmt::format("unknown data type \"{}\"", name));
}

float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::uint16_t>(value)) << 16);
}

BFloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return BFloat16{static_cast<std::uint16_t>((bits >> 16) | 0x40u)};
  return BFloat16{static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}

float to_float(Half value) {
  const auto bits = static_cast<std::uint32_t>(static_cast<std::uint16_t>(value));
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  std::uint32_t exponent = (bits >> 10) & 31u;
  std::uint32_t mantissa = bits & 0x3FFu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
  if (exponent == 0) {
    if (mantissa == 0) return std::bit_cast<float>(sign);
    exponent = 1;  // subnormal: shift until the leading one appears
    while ((mantissa & 0x400u) == 0) {
      mantissa <<= 1;
      --exponent;
    }
    mantissa &= 0x3FFu;
  }
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

Half to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return Half{static_cast<std::uint16_t>(sign | 0x7E00u)};
  if (magnitude >= 0x477FF000u) return Half{static_cast<std::uint16_t>(sign | 0x7C00u)};  // 65520 and above
  if (magnitude < 0x38800000u) {  // below 2^-14: subnormal half; adding 0.5 aligns the mantissa and rounds to even
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return Half{static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u))};
  }
  const std::uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u) - (112u << 23);
  return Half{static_cast<std::uint16_t>(sign | (rounded >> 13))};
}

std::size_t element_count(const Shape& shape) {
  std::size_t count = 1;
  for (const std::size_t extent : shape) count = checked_mul(count, extent, to_string(shape));
  return count;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

void Tensor::FreeAligned::operator()(std::byte* p) const { release(p); }

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype) {
  const std::size_t bytes = checked_mul(element_count(shape), size_of(dtype), "tensor");
  set_shape(std::move(shape));
  capacity_ = std::max(kAlignment, checked_align(bytes, kAlignment, "tensor"));
  owned_.reset(allocate(capacity_));
  std::memset(owned_.get(), 0, capacity_);
  data_ = owned_.get();
}

Tensor Tensor::borrowed(DType dtype, Shape shape, const void* data, std::shared_ptr<const void> keep_alive) {
  Tensor t;
  t.dtype_ = dtype;
  t.set_shape(std::move(shape));
  t.data_ = static_cast<const std::byte*>(data);
  t.keep_alive_ = std::move(keep_alive);
  return t;
}

Tensor::Tensor(const Tensor& other)
    : dtype_(other.dtype_),
      shape_(other.shape_),
      count_(other.count_),
      columns_(other.columns_),
      keep_alive_(other.keep_alive_),
      data_(other.data_) {
  if (!other.owned_) return;
  Tensor fresh(dtype_, shape_);
  if (count_ > 0) std::memcpy(fresh.owned_.get(), other.data_, count_ * size_of(dtype_));
  *this = std::move(fresh);
}

Tensor& Tensor::operator=(const Tensor& other) {
  if (this != &other) *this = Tensor(other);
  return *this;
}

Tensor::Tensor(Tensor&& other) noexcept { *this = std::move(other); }

Tensor& Tensor::operator=(Tensor&& other) noexcept {
  if (this == &other) return *this;
  dtype_ = other.dtype_;
  shape_ = std::exchange(other.shape_, Shape{0});
  count_ = std::exchange(other.count_, 0);
  columns_ = std::exchange(other.columns_, 1);
  capacity_ = std::exchange(other.capacity_, 0);
  owned_ = std::move(other.owned_);
  keep_alive_ = std::move(other.keep_alive_);
  data_ = std::exchange(other.data_, nullptr);
  return *this;
}

std::byte* Tensor::mutable_data() {
  if (is_borrowed()) throw std::logic_error("Tensor: a borrowed tensor is read only");
  return owned_.get();
}

Tensor Tensor::reshaped(Shape shape) const& { return Tensor(*this).reshaped(std::move(shape)); }

Tensor Tensor::reshaped(Shape shape) && {
  if (element_count(shape) != count_) {
    throw std::logic_error(fmt::format("Tensor: {} does not reshape to {}", to_string(shape_), to_string(shape)));
  }
  Tensor t = std::move(*this);
  t.set_shape(std::move(shape));
  return t;
}

void Tensor::resize_rows(std::size_t rows) {
  if (is_borrowed() || shape_.empty()) throw std::logic_error("Tensor: only an owned tensor with rows grows");
  const std::size_t row_bytes = checked_mul(columns_, size_of(dtype_), "tensor");
  const std::size_t old_bytes = checked_mul(shape_[0], row_bytes, "tensor");
  const std::size_t new_bytes = checked_mul(rows, row_bytes, "tensor");
  if (new_bytes > capacity_) {
    const std::size_t wanted = std::max(new_bytes, shape_[0] == 0 ? new_bytes : capacity_ + capacity_ / 2);
    const std::size_t capacity = checked_align(wanted, kAlignment, "tensor");
    std::unique_ptr<std::byte[], FreeAligned> grown(allocate(capacity));
    if (old_bytes > 0) std::memcpy(grown.get(), owned_.get(), old_bytes);
    owned_ = std::move(grown);
    capacity_ = capacity;
    data_ = owned_.get();
  }
  if (new_bytes > old_bytes) std::memset(owned_.get() + old_bytes, 0, new_bytes - old_bytes);
  shape_[0] = rows;
  count_ = rows * columns_;
}

Tensor Tensor::rows_copy(std::size_t begin, std::size_t end) const {
  if (shape_.empty() || begin > end || end > shape_[0]) throw std::logic_error("Tensor: row range outside the tensor");
  Shape shape = shape_;
  shape[0] = end - begin;
  Tensor t(dtype_, std::move(shape));
  const std::size_t row_bytes = columns_ * size_of(dtype_);
  if (t.count_ > 0) std::memcpy(t.owned_.get(), data_ + begin * row_bytes, (end - begin) * row_bytes);
  return t;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor out(dtype, shape_);
  switch (dtype_) {
    case DType::f32:
      convert(as<float>(), out);
      break;
    case DType::f64:
      convert(as<double>(), out);
      break;
    case DType::f16:
      convert(as<Half>(), out);
      break;
    case DType::bf16:
      convert(as<BFloat16>(), out);
      break;
    case DType::i64:
      convert(as<std::int64_t>(), out);
      break;
    case DType::i32:
      convert(as<std::int32_t>(), out);
      break;
    case DType::i16:
      convert(as<std::int16_t>(), out);
      break;
    case DType::i8:
      convert(as<std::int8_t>(), out);
      break;
    case DType::u8:
      convert(as<std::uint8_t>(), out);
      break;
    case DType::u16:
      convert(as<std::uint16_t>(), out);
      break;
    case DType::boolean:
      convert(std::span(reinterpret_cast<const std::uint8_t*>(data_), count_), out);
      break;
  }
  return out;
}

void Tensor::require_dtype(DType dtype) const {
  if (dtype == dtype_) return;
  throw std::logic_error(fmt::format("Tensor: holds {}, was asked for {}", name_of(dtype_), name_of(dtype)));
}

void Tensor::copy_in(const void* data, std::size_t count, DType dtype) {
  require_dtype(dtype);
  if (count != count_) throw std::logic_error("Tensor: number of values does not fit the shape");
  if (count > 0) std::memcpy(owned_.get(), data, count * size_of(dtype));
}

void Tensor::set_shape(Shape shape) {
  count_ = element_count(shape);
  columns_ = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) columns_ = checked_mul(columns_, shape[i], "tensor");
  shape_ = std::move(shape);
}

}  // namespace mt
