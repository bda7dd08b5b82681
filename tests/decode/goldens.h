// The tiny pictures of tests/golden/images, made by tests/reference/make_images.py.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/tensor.h"
#include "base/text.h"

namespace mt::test {

inline const std::filesystem::path kGoldenImages = std::filesystem::path(MT_TESTS_DIR) / "golden" / "images";

struct GoldenImage {
  std::string name;
  Shape shape;
  std::string dtype;
  int orientation = 1;
  std::string digest;  // of the pixels; "-" where NAME.npy holds them, to be met within one level

  std::vector<std::byte> bytes() const { return read_file(kGoldenImages / name, std::uint64_t{1} << 20); }
  std::string extension() const { return name.substr(name.rfind('.') + 1); }
};

inline std::vector<GoldenImage> golden_images() {
  std::vector<GoldenImage> goldens;
  std::ifstream table(kGoldenImages / "expected.tsv");
  std::string line;
  for (std::getline(table, line); std::getline(table, line);) {
    const std::vector<std::string_view> field = split(line, '\t');
    const auto number = [&](std::size_t i) { return static_cast<std::size_t>(parse_int(field.at(i)).value()); };
    goldens.push_back({std::string(field.at(0)),
                       {number(1), number(2), number(3)},
                       std::string(field.at(4)),
                       static_cast<int>(number(5)),
                       std::string(field.at(6))});
  }
  return goldens;
}

}  // namespace mt::test
