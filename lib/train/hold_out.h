// Which samples train and which validate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "train/feature_set.h"

namespace mt {

struct HoldOut {
  std::vector<std::size_t> train, validation;  // numbers of samples, ascending
};

// Holds out fraction (0 < fraction < 1) of the samples, stratified by class, as store/split.h divides them; groups
// ([N], or empty) are never torn apart. Every class keeps something to train on. labels: [N], 0..classes-1. Throws
// Error when nothing can be held out.
HoldOut hold_out(const std::vector<std::int32_t>& labels, std::size_t classes, const std::vector<std::uint32_t>& groups,
                 double fraction, std::uint64_t seed);

// The group of each sample, [N], by a rule: "source" (the id up to its last "#": windows of one recording), "folder"
// (the id up to its last "/"), or a CSV file with the columns id and group. Throws Error naming the id without a group.
std::vector<std::uint32_t> read_groups(FeatureSet& set, const std::string& rule);

}  // namespace mt
