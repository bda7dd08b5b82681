// Which group a sample belongs to, by its id: what must stay together in a split.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace mt {

class Grouping {
 public:
  // source: "source" (ids that differ only behind "#": windows of one recording), "folder" (ids that differ only behind
  // the last "/"), or a CSV file with the columns "id" and "group". Throws Error: a column is missing, an id twice.
  explicit Grouping(const std::string& source);

  // Throws Error for an id that the file does not list.
  std::string group_of(const std::string& id) const;

 private:
  std::string source_;
  std::unordered_map<std::string, std::string> groups_;  // of a file
};

}  // namespace mt
