// Sets of samples that lie in several files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

namespace mt {

// The file that holds a sample; each has the number of its first one as `first`, ascending.
template <class File>
File& file_holding(std::vector<File>& files, std::size_t sample) {
  const auto after = std::upper_bound(files.begin(), files.end(), sample,
                                      [](std::size_t number, const File& file) { return number < file.first; });
  return *std::prev(after);
}

}  // namespace mt
