// The files of a directory tree, in an order that depends on nothing but their names.
#pragma once

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

}  // namespace mt
