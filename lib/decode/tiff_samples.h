// How TIFF packs samples, and the type of an Image that holds them. Internal to decode/tiff.cpp.
#pragma once

#include <tiff.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/tensor.h"

namespace mt::formats {

// Samples as they are stored, widened to the nearest type of an Image. Integers below 8 and between 8 and 16 bits fill
// the range of that type, except indices into a palette.
class TiffSamples {
 public:
  TiffSamples(unsigned bits, unsigned format, bool indices) : bits_(bits), format_(format), indices_(indices) {}

  DType dtype() const {
    if (format_ != SAMPLEFORMAT_UINT || bits_ > 16) return DType::f32;
    return bits_ > 8 ? DType::u16 : DType::u8;
  }
  bool known() const {
    switch (format_) {
      case SAMPLEFORMAT_UINT:
        return bits_ <= 16 || bits_ == 32;
      case SAMPLEFORMAT_INT:
        return bits_ == 8 || bits_ == 16 || bits_ == 32;
      case SAMPLEFORMAT_IEEEFP:
        return bits_ == 16 || bits_ == 32 || bits_ == 64;
      default:
        return false;
    }
  }

  // count samples from packed bytes to every stride-th element of out, which is of type dtype().
  void unpack(const std::byte* from, std::size_t count, std::byte* out, std::size_t stride) const {
    if (format_ == SAMPLEFORMAT_UINT && bits_ <= 16) {
      if (bits_ == 8)
        copy<std::uint8_t, std::uint8_t>(from, count, out, stride);
      else if (bits_ == 16)
        copy<std::uint16_t, std::uint16_t>(from, count, out, stride);
      else if (bits_ < 8)
        unpack_bits<std::uint8_t>(from, count, out, stride);
      else
        unpack_bits<std::uint16_t>(from, count, out, stride);
    } else if (format_ == SAMPLEFORMAT_UINT) {
      copy<std::uint32_t, float>(from, count, out, stride);
    } else if (format_ == SAMPLEFORMAT_INT) {
      if (bits_ == 8)
        copy<std::int8_t, float>(from, count, out, stride);
      else if (bits_ == 16)
        copy<std::int16_t, float>(from, count, out, stride);
      else
        copy<std::int32_t, float>(from, count, out, stride);
    } else {
      if (bits_ == 16)
        copy<Half, float>(from, count, out, stride);
      else if (bits_ == 32)
        copy<float, float>(from, count, out, stride);
      else
        copy<double, float>(from, count, out, stride);
    }
  }

 private:
  template <class From, class To>
  static void copy(const std::byte* from, std::size_t count, std::byte* out, std::size_t stride) {
    To* to = reinterpret_cast<To*>(out);
    if constexpr (std::is_same_v<From, To>) {
      if (stride == 1) {
        std::memcpy(to, from, count * sizeof(To));
        return;
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      From value;
      std::memcpy(&value, from + i * sizeof(From), sizeof(From));
      if constexpr (std::is_same_v<From, Half>)
        to[i * stride] = to_float(value);
      else
        to[i * stride] = static_cast<To>(value);
    }
  }

  template <class To>
  void unpack_bits(const std::byte* from, std::size_t count, std::byte* out, std::size_t stride) const {
    To* to = reinterpret_cast<To*>(out);
    const std::uint64_t top = (std::uint64_t{1} << bits_) - 1, range = std::numeric_limits<To>::max();
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t value = 0;
      for (std::size_t bit = i * bits_; bit < (i + 1) * bits_; ++bit) {
        value = value << 1 | (std::to_integer<unsigned>(from[bit / 8]) >> (7 - bit % 8) & 1u);
      }
      to[i * stride] = static_cast<To>(indices_ ? value : (value * range + top / 2) / top);
    }
  }

  unsigned bits_, format_;
  bool indices_;
};

}  // namespace mt::formats
