#include "train/sample_set.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "patch_file.h"
#include "support/temporary_directory.h"
#include "train/shuffled_samples.h"

namespace mt {
namespace {

TEST_CASE("sample set: gives any samples in any order, over files, with the joined classes") {
  // given two files whose classes are numbered differently, one of them with an unlabelled sample
  const test::TemporaryDirectory directory;
  Batch first = test::slopes(6), second = test::slopes(4, 8);
  first.labels[1] = -1;
  Schema other = test::patch_schema();
  std::swap(other.label_names[0], other.label_names[1]);
  SampleSet set;
  set.add(test::write_patches(directory / "a.h5", first));
  set.add(test::write_patches(directory / "b.h5", second, other));

  CHECK(set.samples() == 9);
  CHECK(set.unlabelled() == 1);
  CHECK(set.label(0) == 0);
  CHECK(set.label(5) == 1);  // the second file's "falls" is its number 0, which it calls "rises"
  const std::vector<std::size_t> wanted = {8, 0, 1, 2};
  const Batch batch = set.read(wanted);
  REQUIRE(batch.samples() == 4);
  CHECK(batch.ids == std::vector<std::string>{"s3", "s0", "s2", "s3"});
  CHECK(batch.labels == std::vector<std::int32_t>{set.label(8), 0, 0, 1});
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CHECK(batch.row_end(i) - batch.row_begin(i) == set.patches(wanted[i]));
  }
  const auto row = batch.rows.row<float>(batch.row_begin(2));
  CHECK(std::ranges::equal(row, first.rows.row<float>(first.row_begin(2))));
  CHECK(set.describe(1).ends_with("a.h5: s2"));
}

TEST_CASE("sample set: refuses streams, features, and patches that were cut in another way") {
  const test::TemporaryDirectory directory;
  SampleSet set;
  CHECK_THROWS_WITH_AS(set.add("-"), doctest::Contains("can be read once"), Error);
  set.add(test::write_patches(directory / "a.h5", test::slopes(4)));
  Schema other = test::patch_schema();
  other.config["patch"] = 4;
  const std::string unlike = test::write_patches(directory / "b.h5", test::slopes(4), other);
  CHECK_THROWS_WITH_AS(set.add(unlike), doctest::Contains("its patch is 4, 3 in the files before it"), Error);
  Schema tokens = test::patch_schema();
  tokens.kind = Kind::tokens;
  const std::string made = test::write_patches(directory / "c.h5", test::slopes(4), tokens);
  CHECK_THROWS_WITH_AS(set.add(made), doctest::Contains("holds tokens, not patches"), Error);
  Schema bare = test::patch_schema();
  bare.has_labels = false;
  Batch unlabelled = test::slopes(4);
  unlabelled.labels.clear();
  const std::string mute = test::write_patches(directory / "d.h5", unlabelled, bare);
  CHECK_THROWS_WITH_AS(set.add(mute), doctest::Contains("has no labels"), Error);
}

// Blocks of several samples and two windows: samples of about 100 KiB, 900 of them.
struct LargeSet {
  test::TemporaryDirectory directory;
  SampleSet set;
  std::vector<std::size_t> order;

  LargeSet() {
    constexpr std::size_t kWidth = 8192;
    Batch batch;
    batch.offsets = {0};
    batch.rows = Tensor(DType::f32, {0, kWidth});
    for (std::size_t i = 0; i < 900; ++i) {
      const std::size_t before = batch.rows.rows();
      batch.rows.resize_rows(before + 2 + i % 3);
      for (std::size_t row = before; row < batch.rows.rows(); ++row)
        batch.rows.row<float>(row)[0] = static_cast<float>(i);
      batch.ids.push_back(fmt::format("s{}", i));
      batch.index.push_back(static_cast<std::int64_t>(i));
      batch.labels.push_back(static_cast<std::int32_t>(i % 2));
      batch.offsets.push_back(static_cast<std::int64_t>(batch.rows.rows()));
    }
    set.add(test::write_patches(directory / "large.h5", batch, test::patch_schema(kWidth)));
    order.resize(850);
    std::iota(order.begin(), order.end(), std::size_t{0});
  }
};

std::vector<std::size_t> epoch(ShuffledSamples& samples, std::size_t number, std::size_t skip = 0) {
  std::vector<std::size_t> drawn;
  samples.begin_epoch(number, skip);
  while (const auto batch = samples.next()) {
    for (std::size_t i = 0; i < batch->samples.size(); ++i) {
      CHECK(batch->batch.rows.row<float>(batch->batch.row_begin(i))[0] == static_cast<float>(batch->samples[i]));
      drawn.push_back(batch->samples[i]);
    }
  }
  return drawn;
}

TEST_CASE_FIXTURE(LargeSet, "shuffled samples: an epoch has every sample once, and goes on from any batch") {
  ShuffledSamples samples(set, order, 100, 7);
  CHECK(samples.batches_per_epoch() == 9);
  const auto first = epoch(samples, 3);
  CHECK(first == samples.epoch_order(3));
  auto sorted = first;
  std::ranges::sort(sorted);
  CHECK(sorted == order);
  CHECK(first != order);
  CHECK(first != epoch(samples, 4));
  for (const std::size_t skip : {1, 6, 8}) {
    const auto rest = epoch(samples, 3, skip);
    CHECK(rest == std::vector<std::size_t>(first.begin() + static_cast<std::ptrdiff_t>(100 * skip), first.end()));
  }
  // Samples come from all over: the first batch is no run of neighbours.
  const auto [low, high] = std::minmax_element(first.begin(), first.begin() + 100);
  CHECK(*high - *low > 400);
}

}  // namespace
}  // namespace mt
