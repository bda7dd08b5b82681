// A file without ceremony: publishing with a sync for each of ten thousand damaged inputs would take minutes.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace mt::test {

inline std::filesystem::path plain_file(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::remove(path);  // never under the feet of a mapping
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

}  // namespace mt::test
