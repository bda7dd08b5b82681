// Which samples train and which validate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

struct HoldOut {
  std::vector<std::size_t> train, validation;  // numbers of samples, ascending
};

// Holds out fraction (0 < fraction < 1) of the samples, stratified by class, as store/split.h divides them; groups
// ([N], or empty) are never torn apart. Every class keeps something to train on. labels: [N], 0..classes-1. Throws
// Error when nothing can be held out.
HoldOut hold_out(const std::vector<std::int32_t>& labels, std::size_t classes, const std::vector<std::uint32_t>& groups,
                 double fraction, std::uint64_t seed);

// Calls its visitor with the number and id of each sample, in order.
using IdWalk = std::function<void(const std::function<void(std::size_t, std::string_view)>&)>;

// The group of each sample, [samples], by a rule: "source" (the id up to its last "#": windows of one recording),
// "folder" (the id up to its last "/"), or a CSV file with the columns id and group. Throws Error naming the id without
// a group.
std::vector<std::uint32_t> read_groups(std::size_t samples, const IdWalk& for_each_id, const std::string& rule);
template <class Set>
std::vector<std::uint32_t> read_groups(Set& set, const std::string& rule) {
  return read_groups(
      set.samples(), [&](const auto& visit) { set.for_each_id(visit); }, rule);
}

}  // namespace mt
