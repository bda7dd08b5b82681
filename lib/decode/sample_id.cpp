#include "decode/sample_id.h"

#include "base/text.h"

namespace mt {

namespace {

std::string_view stem(std::string_view path) {
  const std::size_t name = path.rfind('/') + 1, dot = path.rfind('.');  // npos + 1 is 0
  if (dot == std::string_view::npos || dot <= name) return path;
  const std::string_view shorter = path.substr(0, dot);
  return path.substr(dot) == ".gz" ? stem(shorter) : shorter;
}

}  // namespace

std::string sample_id(std::string_view path, bool without_extension) {
  while (path.starts_with("./")) path.remove_prefix(2);
  return percent_escaped(without_extension ? stem(path) : path);
}

}  // namespace mt
