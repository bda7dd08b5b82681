// Files by name: those of a directory tree, in an order that depends on nothing but their names, and lists of paths.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

// Paths relative to directory of the regular files below it whose extension (without dot, any case) is one of
// extensions; names that start with a dot are skipped with all that is below them, symbolic links are followed except
// into a directory that is being read. Sorted bytewise by the whole relative path. Throws Error: a directory that
// cannot be read.
std::vector<std::string> list_files(const std::filesystem::path& directory,
                                    const std::vector<std::string_view>& extensions);

inline constexpr std::uint64_t kMostListBytes = std::uint64_t{1} << 30;  // of a list of paths on standard input

// One path a line; empty lines mean nothing, a carriage return at a line's end is none of the path.
std::vector<std::string> paths_listed(std::string_view text);

}  // namespace mt
