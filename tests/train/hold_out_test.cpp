#include "train/hold_out.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <vector>

#include "base/error.h"
#include "feature_file.h"
#include "support/temporary_directory.h"
#include "train/feature_set.h"

namespace mt {
namespace {

std::vector<std::int32_t> labels_of(const std::vector<std::size_t>& counts) {
  std::vector<std::int32_t> labels;
  for (std::size_t c = 0; c < counts.size(); ++c) labels.insert(labels.end(), counts[c], static_cast<std::int32_t>(c));
  return labels;
}

std::size_t count(const std::vector<std::size_t>& samples, const std::vector<std::int32_t>& labels,
                  std::int32_t label) {
  std::size_t found = 0;
  for (const std::size_t i : samples) found += labels[i] == label ? 1 : 0;
  return found;
}

TEST_CASE("hold-out: every class gives its share, nothing is lost, seeds differ") {
  const auto labels = labels_of({1000, 200, 50});
  const HoldOut parts = hold_out(labels, 3, {}, 0.1, 1);
  CHECK(count(parts.validation, labels, 0) == doctest::Approx(100).epsilon(0.011));  // within one sample
  CHECK(count(parts.validation, labels, 1) == doctest::Approx(20).epsilon(0.051));
  CHECK(count(parts.validation, labels, 2) == doctest::Approx(5).epsilon(0.21));
  CHECK(parts.train.size() + parts.validation.size() == 1250);
  CHECK(hold_out(labels, 3, {}, 0.1, 1).validation == parts.validation);
  CHECK(hold_out(labels, 3, {}, 0.1, 2).validation != parts.validation);
}

TEST_CASE("hold-out: every class keeps something to train on") {
  const auto labels = labels_of({40, 1, 1, 1, 1, 1});
  const HoldOut parts = hold_out(labels, 6, {}, 0.5, 1);
  for (std::int32_t c = 0; c < 6; ++c) CHECK(count(parts.train, labels, c) >= 1);
  CHECK_THROWS_WITH_AS(hold_out(labels_of({1, 1}), 2, {}, 0.5, 1), doctest::Contains("nothing of 2 samples"), Error);
}

TEST_CASE("hold-out: a group is never torn apart, and comes back whole when its class would vanish") {
  // given 100 groups of 5, two groups to a class' ten samples
  std::vector<std::int32_t> labels;
  std::vector<std::uint32_t> groups;
  for (std::uint32_t g = 0; g < 100; ++g) {
    for (int i = 0; i < 5; ++i) {
      labels.push_back(static_cast<std::int32_t>(g % 4));
      groups.push_back(g);
    }
  }
  const HoldOut parts = hold_out(labels, 4, groups, 0.2, 3);
  std::set<std::uint32_t> held_out;
  for (const std::size_t i : parts.validation) held_out.insert(groups[i]);
  for (const std::size_t i : parts.train) CHECK_FALSE(held_out.contains(groups[i]));
  CHECK(parts.validation.size() == doctest::Approx(100).epsilon(0.3));

  // given one group that holds all of class 1
  const HoldOut lone = hold_out({0, 0, 0, 0, 1, 1}, 2, {0, 1, 2, 3, 4, 4}, 0.5, 3);
  CHECK(count(lone.train, {0, 0, 0, 0, 1, 1}, 1) == 2);
}

TEST_CASE("groups: by source, by folder and by a table") {
  test::TemporaryDirectory directory;
  const auto writer = SampleWriter::create((directory / "f.h5").string(), test::feature_schema(1, {"a", "b"}), {});
  Batch batch;
  batch.ids = {"x/one.wav#0", "x/one.wav#1", "y/two.wav#0", "plain"};
  batch.index = {0, 1, 2, 3};
  batch.labels = {0, 1, 0, 1};
  batch.rows = Tensor(DType::f32, {4, 1});
  writer->write(batch);
  writer->finish({});
  FeatureSet set(1 << 20);
  set.add((directory / "f.h5").string());
  CHECK(read_groups(set, "source") == std::vector<std::uint32_t>{0, 0, 1, 2});
  CHECK(read_groups(set, "folder") == std::vector<std::uint32_t>{0, 0, 1, 2});

  const auto table = (directory / "groups.csv").string();
  std::ofstream(table) << "group,id\nann,x/one.wav#0\nbob,x/one.wav#1\nann,y/two.wav#0\nbob,plain\n";
  CHECK(read_groups(set, table) == std::vector<std::uint32_t>{0, 1, 0, 1});
  std::ofstream(table) << "group,id\nann,x/one.wav#0\n";
  CHECK_THROWS_WITH_AS(read_groups(set, table), doctest::Contains("names no group for id \"x/one.wav#1\""), Error);
  std::ofstream(table) << "group,name\nann,x/one.wav#0\n";
  CHECK_THROWS_WITH_AS(read_groups(set, table), doctest::Contains("has no column \"id\""), Error);
  std::ofstream(table) << "group,id\nann,plain\nann,plain\n";
  CHECK_THROWS_WITH_AS(read_groups(set, table), doctest::Contains("row 3 names id \"plain\" again"), Error);
  CHECK_THROWS_AS(read_groups(set, "absent.csv"), Error);
}

}  // namespace
}  // namespace mt
