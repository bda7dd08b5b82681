#include "train/joined_classes.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

namespace mt {

LabelledRows JoinedClasses::join(const std::string& file, const Schema& schema, std::span<const std::int32_t> labels,
                                 bool known_only) {
  LabelledRows result;
  std::map<std::string, std::int32_t> known;
  for (std::size_t c = 0; c < names_.size(); ++c) known.emplace(names_[c], static_cast<std::int32_t>(c));
  if (!known_only) {
    // Classes keep the order of the file that names them, not the order in which samples happen to come.
    for (const std::string& name : schema.label_names) {
      if (known.emplace(name, static_cast<std::int32_t>(names_.size())).second) names_.push_back(name);
    }
  }
  std::vector<std::int32_t> joined;  // the file's number -> ours, -1: not met yet
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const std::int32_t label = labels[row];
    if (label < 0) continue;
    const auto number = static_cast<std::size_t>(label);
    if (!schema.label_names.empty() && number >= schema.label_names.size()) {
      throw Error(file, fmt::format("row {} has label {}, /label_names has {}", row, label, schema.label_names.size()),
                  "check it with mt-inspect");
    }
    constexpr std::size_t kMostClasses = std::size_t{1} << 24;
    if (number >= kMostClasses) throw Error(file, fmt::format("row {} has label {}, which is not a class", row, label));
    if (number >= joined.size()) joined.resize(number + 1, -1);
    if (joined[number] < 0) {
      const std::string name = schema.label_names.empty() ? std::to_string(number) : schema.label_names[number];
      const auto found = known.find(name);
      if (found == known.end() && known_only) {
        const std::string near = nearest(name, names_);
        throw Error(file,
                    fmt::format("has class \"{}\", the training samples do not{}", printable(name),
                                near.empty() ? "" : fmt::format(" (the nearest is \"{}\")", printable(near))),
                    "train on it, or leave it out with mt-cat");
      }
      joined[number] = found != known.end() ? found->second : static_cast<std::int32_t>(names_.size());
      if (found == known.end()) names_.push_back(name);
      known.emplace(name, joined[number]);
    }
    result.rows.push_back(checked_cast<std::uint32_t>(row, file));
    result.labels.push_back(joined[number]);
  }
  return result;
}

std::vector<std::string> JoinedClasses::drop_empty(std::span<std::int32_t> labels) {
  const std::vector<std::size_t> counts = this->counts(labels);
  std::vector<std::string> kept, dropped;
  std::vector<std::int32_t> renumbered;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    renumbered.push_back(static_cast<std::int32_t>(kept.size()));
    (counts[c] > 0 ? kept : dropped).push_back(names_[c]);
  }
  for (std::int32_t& label : labels) label = renumbered[static_cast<std::size_t>(label)];
  names_ = std::move(kept);
  return dropped;
}

std::vector<std::size_t> JoinedClasses::counts(std::span<const std::int32_t> labels) const {
  std::vector<std::size_t> counts(names_.size());
  for (const std::int32_t label : labels) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

}  // namespace mt
