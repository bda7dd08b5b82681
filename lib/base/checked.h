// Arithmetic on numbers that a file declares: they are claims, so every product, sum and padding goes through here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace mt {

// All throw Error(where, "declares sizes beyond ...") on overflow; T is an unsigned or signed integer type.
template <class T>
T checked_mul(T a, T b, std::string_view where) {
  static_assert(std::is_integral_v<T>);
  T product;
  if (__builtin_mul_overflow(a, b, &product)) throw Error(where, "declares a size that overflows");
  return product;
}

template <class T>
T checked_add(T a, T b, std::string_view where) {
  static_assert(std::is_integral_v<T>);
  T sum;
  if (__builtin_add_overflow(a, b, &sum)) throw Error(where, "declares a size that overflows");
  return sum;
}

// value rounded up to a multiple of alignment (a power of two or not, but never 0).
template <class T>
T checked_align(T value, T alignment, std::string_view where) {
  const T padded = checked_add<T>(value, static_cast<T>(alignment - 1), where);
  return static_cast<T>(padded - padded % alignment);
}

// value as To, or Error when it does not fit.
template <class To, class From>
To checked_cast(From value, std::string_view where) {
  static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
  To result;
  if (__builtin_add_overflow(value, From{0}, &result)) throw Error(where, "declares a size that overflows");
  return result;
}

// Throws Error when bytes exceed limit, before anything is allocated. what names the thing, e.g. "the image".
void require_within(std::uint64_t bytes, std::uint64_t limit, std::string_view where, std::string_view what);

}  // namespace mt
