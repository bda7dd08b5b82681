#include "decode/sample_id.h"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
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

std::string folder_name(const std::filesystem::path& file) {
  std::error_code error;
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const std::string name = folder.filename().string();
  if (!name.empty() && name != "." && name != "..") return name;
  return std::filesystem::weakly_canonical(folder, error).filename().string();
}

void require_unique_ids(std::size_t n, const std::function<std::string(std::size_t)>& id) {
  std::vector<std::pair<std::size_t, std::size_t>> hashes;  // of ids, with their samples
  hashes.reserve(n);
  for (std::size_t i = 0; i < n; ++i) hashes.emplace_back(std::hash<std::string>()(id(i)), i);
  std::sort(hashes.begin(), hashes.end());
  std::size_t duplicate = n;
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    if (hashes[i].first != hashes[i - 1].first || id(hashes[i].second) != id(hashes[i - 1].second)) continue;
    duplicate = std::min(duplicate, hashes[i].second);
  }
  if (duplicate == n) return;
  throw Error(id(duplicate), fmt::format("two samples have this id, the second is number {} of {}", duplicate + 1, n),
              "give the directory above them, a list of paths, or a manifest with ids");
}

}  // namespace mt
