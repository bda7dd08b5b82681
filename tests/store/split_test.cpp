#include "store/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"

using namespace mt;

namespace {

std::vector<std::int32_t> labels_of(const std::vector<std::size_t>& sizes) {
  std::vector<std::int32_t> labels;
  for (std::size_t c = 0; c < sizes.size(); ++c) labels.insert(labels.end(), sizes[c], static_cast<std::int32_t>(c));
  return labels;
}

std::map<std::int32_t, double> counts_of(const std::vector<std::uint32_t>& parts,
                                         const std::vector<std::int32_t>& labels, std::uint32_t part) {
  std::map<std::int32_t, double> counts;
  for (std::size_t i = 0; i < parts.size(); ++i) counts[labels[i]] += parts[i] == part ? 1 : 0;
  return counts;
}

}  // namespace

TEST_CASE("split: every class is divided by the shares, within one sample") {
  const std::vector<std::size_t> sizes = {100, 37, 3, 1, 60};
  const std::vector<std::int32_t> labels = labels_of(sizes);
  const std::vector<SplitPart> parts = parse_split("train=0.7,val=0.1,test=0.2");
  const std::vector<std::uint32_t> split = split_samples(labels.size(), labels, parts, 1);
  for (std::uint32_t p = 0; p < 3; ++p) {
    for (const auto& [label, count] : counts_of(split, labels, p)) {
      CHECK(std::abs(count - parts[p].share * static_cast<double>(sizes[static_cast<std::size_t>(label)])) <= 1.0);
    }
  }
}

TEST_CASE("split: classes of two samples still fill the small part to its share") {
  const std::vector<std::int32_t> labels = labels_of(std::vector<std::size_t>(100, 2));
  const std::vector<std::uint32_t> split = split_samples(200, labels, parse_split("train=0.8,test=0.2"), 3);
  CHECK(std::count(split.begin(), split.end(), 1U) == 40);
}

TEST_CASE("split: the seed decides which samples, and the same seed decides the same") {
  const std::vector<std::int32_t> labels = labels_of({50, 50});
  const std::vector<SplitPart> parts = parse_split("a=0.5,b=0.5");
  CHECK(split_samples(100, labels, parts, 1) == split_samples(100, labels, parts, 1));
  CHECK(split_samples(100, labels, parts, 1) != split_samples(100, labels, parts, 2));
  const std::vector<std::uint32_t> without_labels = split_samples(7, {}, parts, 1);
  CHECK(std::count(without_labels.begin(), without_labels.end(), 0U) >= 3);
}

TEST_CASE("split: no group is torn apart, and classes keep near their shares") {
  Random random(5);
  std::vector<std::uint32_t> groups;
  std::vector<std::int32_t> labels;
  for (int g = 0; g < 200; ++g) {
    const auto size = 1 + random.below(20);
    for (std::uint64_t i = 0; i < size; ++i) {
      groups.push_back(static_cast<std::uint32_t>(7 * g));
      labels.push_back(static_cast<std::int32_t>(random.below(4) + (g % 2) * 2));
    }
  }
  const std::vector<SplitPart> parts = parse_split("train=0.8,test=0.2");
  const std::vector<std::uint32_t> split = split_groups(groups, labels, parts, 1);
  std::map<std::uint32_t, std::set<std::uint32_t>> seen;
  for (std::size_t i = 0; i < groups.size(); ++i) seen[groups[i]].insert(split[i]);
  for (const auto& [group, of] : seen) CHECK(of.size() == 1);
  std::map<std::int32_t, double> all, test = counts_of(split, labels, 1);
  for (const std::int32_t label : labels) all[label] += 1;
  for (const auto& [label, count] : all) CHECK(test[label] / count == doctest::Approx(0.2).epsilon(0.1));  // 200 groups
}

TEST_CASE("split: groups of one sample are divided like samples") {
  std::vector<std::uint32_t> groups;
  for (std::uint32_t i = 0; i < 100; ++i) groups.push_back(i);
  const std::vector<std::int32_t> labels = labels_of({50, 50});
  const std::vector<std::uint32_t> split = split_groups(groups, labels, parse_split("a=0.9,b=0.1"), 1);
  CHECK(std::count(split.begin(), split.end(), 1U) == 10);
  CHECK(counts_of(split, labels, 1)[0] == 5);
}

TEST_CASE("split: what cannot be meant is a usage error with an example") {
  for (const char* text : {"train", "train=1", "train=0.5,test=0.6", "a=0.5,a=0.5", "a=0.5,=0.5", "a=0.5,../b=0.5",
                           "a=0.5,.b=0.5", "a=nan,b=0.5", "a=-0.5,b=1.5", "", "a=0.5,b=0.5,"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(parse_split(text), doctest::Contains("e.g. --split train=0.8,test=0.2"), UsageError);
  }
  CHECK(parse_split("train=0.8,test=0.2")[1].name == "test");
}
