// Pickles made by hand: what no library would write.
#pragma once

#include <cstdint>
#include <string>

#include "support/zip_builder.h"

namespace mt::test {

// Each of these is the instructions that leave one value on the stack.
inline std::string pickled_text(const std::string& text) {
  return "X" + little_endian(static_cast<std::uint32_t>(text.size())) + text;
}
inline std::string pickled_number(std::int32_t value) { return "J" + little_endian(value); }
inline std::string pickled_tuple(const std::string& values) { return "(" + values + "t"; }
inline std::string pickled_global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

inline std::string pickled_storage(const std::string& key, std::int32_t count,
                                   const std::string& type = "FloatStorage") {
  return pickled_tuple(pickled_text("storage") + pickled_global("torch", type) + pickled_text(key) +
                       pickled_text("cpu") + pickled_number(count)) +
         "Q";
}
inline std::string pickled_tensor(const std::string& storage, const std::string& offset, const std::string& shape,
                                  const std::string& strides) {
  return pickled_global("torch._utils", "_rebuild_tensor_v2") +
         pickled_tuple(storage + offset + shape + strides + "\x89" + pickled_global("collections", "OrderedDict") +
                       ")R") +
         "R";
}

// A whole PyTorch file around the instructions for its root value. storage0: the bytes of data/0.
inline std::string pytorch_file(const std::string& root, const std::string& storage0 = "") {
  return make_zip({{"archive/data.pkl", "\x80\2" + root + "."},
                   {"archive/byteorder", "little"},
                   {"archive/data/0", storage0},
                   {"archive/version", "3\n"}});
}
inline std::string dict_of(const std::string& name, const std::string& value) {
  return "}(" + pickled_text(name) + value + "u";
}

}  // namespace mt::test
