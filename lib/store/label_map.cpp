#include "store/label_map.h"

#include <unordered_map>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

LabelMap::LabelMap(const std::vector<std::string>& from, const std::vector<std::string>& to, std::string_view where)
    : where_(where) {
  std::unordered_map<std::string_view, std::int32_t> wanted;
  for (std::size_t i = 0; i < to.size(); ++i) wanted.emplace(to[i], static_cast<std::int32_t>(i));
  std::string first;
  std::size_t unknown = 0;
  for (const std::string& name : from) {
    const auto found = wanted.find(name);
    numbers_.push_back(found == wanted.end() ? -1 : found->second);
    if (found == wanted.end() && unknown++ == 0) first = name;
  }
  if (unknown == 0) return;
  const std::string near = nearest(first, to);
  throw Error(where_,
              fmt::format("its class \"{}\"{} is none of the {} known classes", first,
                          unknown > 1 ? fmt::format(" (and {} more)", unknown - 1) : "", to.size()),
              near.empty() ? "mt-cat --label selects classes" : "did you mean \"" + near + "\"?");
}

std::int32_t LabelMap::operator()(std::int32_t label) const {
  if (label < 0) return -1;
  if (static_cast<std::size_t>(label) >= numbers_.size()) {
    throw Error(where_, fmt::format("holds the label {}, but names {} classes", label, numbers_.size()));
  }
  return numbers_[static_cast<std::size_t>(label)];
}

std::vector<std::int32_t> LabelMap::operator()(std::span<const std::int32_t> labels) const {
  std::vector<std::int32_t> mapped;
  mapped.reserve(labels.size());
  for (const std::int32_t label : labels) mapped.push_back((*this)(label));
  return mapped;
}

}  // namespace mt
