#include "train/hold_out.h"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "store/split.h"

namespace mt {

namespace {

constexpr std::uint64_t kGroupFileLimit = std::uint64_t{1} << 30;

// id -> group of a CSV file with these two columns, in any order and among others.
std::map<std::string, std::string, std::less<>> read_group_file(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kGroupFileLimit);
  std::size_t position = 0;
  const std::vector<std::string> header = csv_row(text, position);
  const auto column = [&](const char* name) {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found == header.end())
      throw Error(path.string(), fmt::format("has no column \"{}\"", name), "name the columns id,group");
    return static_cast<std::size_t>(found - header.begin());
  };
  const std::size_t id = column("id"), group = column("group");
  std::map<std::string, std::string, std::less<>> result;
  for (std::size_t line = 2; position < text.size(); ++line) {
    const std::vector<std::string> fields = csv_row(text, position);
    if (fields.size() <= std::max(id, group)) {
      throw Error(path.string(),
                  fmt::format("row {} has {} fields, the header {}", line, fields.size(), header.size()));
    }
    if (!result.emplace(csv_text(fields[id]), csv_text(fields[group])).second) {
      throw Error(path.string(), fmt::format("row {} names id \"{}\" again", line, printable(fields[id])));
    }
  }
  return result;
}

}  // namespace

HoldOut hold_out(const std::vector<std::int32_t>& labels, std::size_t classes, const std::vector<std::uint32_t>& groups,
                 double fraction, std::uint64_t seed) {
  const std::vector<SplitPart> parts = {{"train", 1 - fraction}, {"validation", fraction}};
  std::vector<std::uint32_t> part =
      groups.empty() ? split_samples(labels.size(), labels, parts, seed) : split_groups(groups, labels, parts, seed);

  // A class that would train on nothing gets its first sample back, with all of that sample's group.
  std::vector<bool> trains(classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (part[i] == 0) trains[static_cast<std::size_t>(labels[i])] = true;
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (trains[static_cast<std::size_t>(labels[i])]) continue;
    for (std::size_t j = 0; j < labels.size(); ++j) {
      if (j != i && (groups.empty() || groups[j] != groups[i])) continue;
      part[j] = 0;
      trains[static_cast<std::size_t>(labels[j])] = true;
    }
  }

  HoldOut result;
  for (std::size_t i = 0; i < labels.size(); ++i) (part[i] == 0 ? result.train : result.validation).push_back(i);
  if (result.validation.empty()) {
    throw Error("--validation",
                fmt::format("nothing of {} samples can be held out, every class must train", labels.size()),
                "give --validation 0, a larger share or a file");
  }
  return result;
}

std::vector<std::uint32_t> read_groups(std::size_t samples, const IdWalk& for_each_id, const std::string& rule) {
  std::optional<std::map<std::string, std::string, std::less<>>> table;
  if (rule != "source" && rule != "folder") table = read_group_file(rule);
  std::map<std::string, std::uint32_t, std::less<>> numbers;
  std::vector<std::uint32_t> groups(samples);
  for_each_id([&](std::size_t sample, std::string_view id) {
    std::string_view group;
    if (table) {
      const auto found = table->find(id);
      if (found == table->end())
        throw Error(rule, fmt::format("names no group for id \"{}\"", printable(id)), "add a row for it");
      group = found->second;
    } else {
      // No separator: "source" makes a group of the whole id, "folder" puts all such ids into one.
      const std::size_t end = id.rfind(rule == "source" ? '#' : '/');
      group = end == std::string_view::npos ? (rule == "source" ? id : std::string_view{}) : id.substr(0, end);
    }
    const auto number = static_cast<std::uint32_t>(numbers.size());
    groups[sample] = numbers.emplace(group, number).first->second;
  });
  return groups;
}

}  // namespace mt
