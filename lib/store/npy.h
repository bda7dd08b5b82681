// NumPy's .npy: a header that declares a type, an order and a shape, then the elements
// (numpy.lib.format, versions 1.0 to 3.0).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace mt {

struct NpyHeader {
  char kind = 'f';             // b bool, i signed, u unsigned, f float, S bytes, U text of four bytes a character
  std::size_t item_bytes = 4;  // of one element, as stored
  bool big_endian = false;
  bool fortran_order = false;   // first dimension varies fastest
  Shape shape;                  // () is a scalar
  std::size_t data_offset = 0;  // where the elements start, counted from the start of the file
  std::size_t data_bytes = 0;   // element count times item_bytes

  bool is_text() const { return kind == 'S' || kind == 'U'; }
  DType dtype() const;            // that elements() gives: uint32 and uint64 widen to int64; logic_error for text
  std::size_t row_bytes() const;  // of one entry along the first dimension, as stored
};

// head: the first bytes of a .npy file, at least the whole header (at most kMaxNpyHeader bytes are looked at). Says
// nothing about whether the elements are there. where appears in errors. Throws Error: not .npy, damaged, structured,
// pickled objects, complex numbers, dates, sizes that overflow.
inline constexpr std::size_t kMaxNpyHeader = std::size_t{1} << 16;
NpyHeader parse_npy_header(std::span<const std::byte> head, std::string_view where);

// Elements as stored in C order -> a tensor of that shape in this machine's byte order. Borrows from stored when
// nothing needs converting, keep_alive is given and the alignment fits; else copies. stored must be as long as the
// shape says (logic_error); a uint64 beyond 2^63 throws Error.
Tensor npy_elements(const NpyHeader& header, Shape shape, std::span<const std::byte> stored, std::string_view where,
                    std::shared_ptr<const void> keep_alive = nullptr);

// The whole file, Fortran order turned into C order. Throws Error, also when there are fewer or more bytes than
// declared.
Tensor read_npy(std::span<const std::byte> file, std::string_view where,
                std::shared_ptr<const void> keep_alive = nullptr);

// Text (kinds S and U) as UTF-8, in C order; trailing zero characters are padding. stored must be as long as the header
// says.
std::vector<std::string> npy_texts(const NpyHeader& header, std::span<const std::byte> stored, std::string_view where);
std::vector<std::string> read_npy_text(std::span<const std::byte> file, std::string_view where);

}  // namespace mt
