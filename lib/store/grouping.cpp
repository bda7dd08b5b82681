#include "store/grouping.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/files.h"

namespace mt {

namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 30;

std::size_t column_of(const std::vector<std::string>& header, std::string_view name) {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end())
    throw Error("", fmt::format("has no column \"{}\"", name), "name the columns id and group");
  return static_cast<std::size_t>(found - header.begin());
}

}  // namespace

Grouping::Grouping(const std::string& source) : source_(source) {
  if (source == "source" || source == "folder") return;
  const std::string text = read_text_file(source, kLargestFile);
  std::size_t position = 0, line = 1;
  try {
    const std::vector<std::string> header = csv_row(text, position);
    const std::size_t id = column_of(header, "id"), group = column_of(header, "group");
    while (position < text.size()) {
      ++line;
      const std::vector<std::string> row = csv_row(text, position);
      if (row.size() == 1 && row[0].empty()) continue;
      if (row.size() != header.size())
        throw Error("", fmt::format("has {} fields, the header {}", row.size(), header.size()));
      if (!groups_.try_emplace(csv_text(row[id]), csv_text(row[group])).second) {
        throw Error("", fmt::format("lists \"{}\" a second time", row[id]), "list every id once");
      }
    }
  } catch (const Error& error) {
    throw error.within(fmt::format("{}: line {}", source, line));
  }
}

std::string Grouping::group_of(const std::string& id) const {
  if (source_ == "source") return id.substr(0, id.find('#'));
  if (source_ == "folder") {
    const std::size_t slash = id.rfind('/');
    return slash == std::string::npos ? std::string() : id.substr(0, slash);
  }
  const auto found = groups_.find(id);
  if (found == groups_.end()) throw Error(source_, fmt::format("has no group for \"{}\"", id), "add it to the file");
  return found->second;
}

}  // namespace mt
