// What a bug report needs to know about this build and this machine.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mt {

// Pairs of name and value: compiler, libraries with their versions, optional formats, CUDA, threads, instruction set.
std::vector<std::pair<std::string, std::string>> build_info();

}  // namespace mt
