// MATLAB's MAT-files of version 5 (and 6 and 7, which are 5 with compressed variables): numeric arrays out of them.
// ("MAT-File Format", The MathWorks.) Version 7.3 is HDF5: open_spectral_cube reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"

namespace mt {

struct MatlabVariable {
  std::string name;
  std::string type;                     // "double", "uint16", "cell", ...
  std::vector<std::size_t> dimensions;  // as in MATLAB: the first varies fastest
  bool numeric = false;                 // a full array of real numbers, which read() gives
};

struct MatlabArray {
  std::vector<std::size_t> shape;  // dimensions reversed: C order, the last varies fastest
  char kind = 'f';  // i, u or f: of the numbers as stored, which may be narrower than the variable's type
  std::size_t item_bytes = 8;
  bool big_endian = false;
  std::span<const std::byte> elements;     // as many as the shape says
  std::shared_ptr<const void> keep_alive;  // of inflated elements; null: they lie in the file
};

class MatlabFile {
 public:
  // file: the whole file, which must outlive this and its arrays. Reads the variables' heads. Throws Error: version 4
  // or 7.3, damaged.
  MatlabFile(std::span<const std::byte> file, std::string where);

  const std::vector<MatlabVariable>& variables() const { return variables_; }
  const MatlabVariable* find(const std::string& name) const;  // null: there is none

  // The numbers of a variable. A compressed one is inflated, into at most limit bytes. Throws Error: no such variable,
  // not numeric, damaged, cut, larger than the limit.
  MatlabArray read(const std::string& name, std::uint64_t limit = std::uint64_t{1} << 30) const;

 private:
  struct Element {
    std::size_t begin = 0, end = 0;  // bytes of the element's contents in the file
    bool compressed = false;
  };
  std::span<const std::byte> file_;
  std::string where_;
  bool big_endian_ = false;
  std::vector<MatlabVariable> variables_;
  std::vector<Element> elements_;
};

}  // namespace mt
