// Which samples go to which part of a split: stratified by label, seeded, groups never torn apart.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

struct SplitPart {
  std::string name;
  double share = 0;  // shares of all parts sum to 1
};

// "train=0.8,test=0.2". Throws UsageError: shares that are no positive numbers or do not sum to 1 (within 1e-6), fewer
// than two parts, a name twice, empty, or not made of letters, digits, "-", "_" and ".".
std::vector<SplitPart> parse_split(std::string_view text);

// The part of each of n samples. labels: [n], -1 (unknown) is a class of its own; empty: all samples are alike.
// Every class is divided by the shares, within one sample; what does not divide evenly is owed to the parts and paid by
// the next classes, so that many small classes do not starve a small part. Depends on order, labels and seed alone.
std::vector<std::uint32_t> split_samples(std::size_t n, std::span<const std::int32_t> labels,
                                         std::span<const SplitPart> parts, std::uint64_t seed);

// The same with groups: [n] numbers; all samples of one number go to one part. The largest groups choose first, each
// the part whose counts of the group's classes it brings nearest to the shares; so sizes are only near the shares.
std::vector<std::uint32_t> split_groups(std::span<const std::uint32_t> groups, std::span<const std::int32_t> labels,
                                        std::span<const SplitPart> parts, std::uint64_t seed);

}  // namespace mt
