#include "decode/class_labels.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "base/text.h"

namespace mt {

void ClassLabels::add(std::string_view name) {
  if (name.empty()) return add_unknown();
  std::string text = percent_escaped(name);
  const auto next = checked_cast<std::int32_t>(names_.size(), "class names");
  const auto [entry, fresh] = index_.emplace(std::move(text), next);
  if (fresh) names_.push_back(entry->first);
  samples_.push_back(entry->second);
}

void ClassLabels::finish() {
  const bool numbers =
      std::all_of(names_.begin(), names_.end(), [](const std::string& name) { return parse_int(name).has_value(); });
  std::vector<std::size_t> order(names_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (numbers && parse_int(names_[a]) != parse_int(names_[b])) return *parse_int(names_[a]) < *parse_int(names_[b]);
    return names_[a] < names_[b];
  });
  std::vector<std::string> sorted(names_.size());
  std::vector<std::int32_t> place(names_.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    place[order[i]] = static_cast<std::int32_t>(i);
    sorted[i] = std::move(names_[order[i]]);
  }
  names_ = std::move(sorted);
  index_.clear();
  for (std::int32_t& label : samples_) label = label < 0 ? -1 : place[static_cast<std::size_t>(label)];
}

}  // namespace mt
