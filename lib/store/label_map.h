// Classes are matched between files by name, never by number.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

class LabelMap {
 public:
  // from: names of one file's numbers; to: names of the numbers that are wanted. Throws Error(where, ...) naming the
  // first of from that to lacks, the nearest of to, and how many are unknown in all.
  LabelMap(const std::vector<std::string>& from, const std::vector<std::string>& to, std::string_view where);

  // -1 stays -1. Throws Error for a number without a name.
  std::int32_t operator()(std::int32_t label) const;
  std::vector<std::int32_t> operator()(std::span<const std::int32_t> labels) const;

 private:
  std::vector<std::int32_t> numbers_;  // [from]
  std::string where_;
};

}  // namespace mt
