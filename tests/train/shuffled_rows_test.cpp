#include "train/shuffled_rows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "feature_file.h"
#include "support/temporary_directory.h"

namespace mt {
namespace {

constexpr std::uint64_t kMemory = std::uint64_t{1} << 30;
constexpr std::size_t kWidth = 8192, kSamples = 2500;  // blocks of 32 rows, windows of 2048: two windows

struct Rows {
  test::TemporaryDirectory directory;
  FeatureSet set{kMemory};
  ThreadPool pool{2};
  std::vector<std::size_t> order;
  std::unique_ptr<SampleMatrix> held, streamed;

  Rows() {
    Tensor rows(DType::f32, {kSamples, kWidth});
    std::vector<std::int32_t> labels;
    for (std::size_t i = 0; i < kSamples; ++i) {
      rows.row<float>(i)[0] = static_cast<float>(i);
      labels.push_back(static_cast<std::int32_t>(i % 2));
    }
    set.add(test::write_features(directory / "f.h5", test::feature_schema(kWidth, {"a", "b"}), rows, labels));
    order.resize(kSamples);
    std::iota(order.begin(), order.end(), std::size_t{0});
    held = std::make_unique<SampleMatrix>(set, order, kMemory, pool);
    streamed = std::make_unique<SampleMatrix>(set, order, 1 << 20, pool);
  }
};

std::vector<std::size_t> epoch(ShuffledRows& rows, std::size_t number, std::size_t skip = 0) {
  std::vector<std::size_t> positions;
  rows.begin_epoch(number, skip);
  while (const auto batch = rows.next()) {
    for (std::size_t i = 0; i < batch->positions.size(); ++i) {
      CHECK(batch->features.row<float>(i)[0] == static_cast<float>(batch->positions[i]));
      CHECK(batch->labels[i] == static_cast<std::int32_t>(batch->positions[i] % 2));
      positions.push_back(batch->positions[i]);
    }
  }
  return positions;
}

TEST_CASE_FIXTURE(Rows, "shuffled rows: an epoch has every row once, in the same order from memory and from disk") {
  REQUIRE(held->in_memory());
  REQUIRE_FALSE(streamed->in_memory());
  const std::size_t end = 2400;
  ShuffledRows from_memory(*held, end, 100, 7), from_disk(*streamed, end, 100, 7);
  CHECK(from_memory.batches_per_epoch() == 24);
  const auto order_of = epoch(from_memory, 3);
  CHECK(order_of == epoch(from_disk, 3));
  CHECK(order_of == from_memory.epoch_order(3));
  auto sorted = order_of;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == std::vector<std::size_t>(order.begin(), order.begin() + end));
}

TEST_CASE_FIXTURE(Rows, "shuffled rows: orders differ by epoch and by seed, and neighbours are torn apart") {
  ShuffledRows rows(*held, kSamples, 100, 7), other(*held, kSamples, 100, 8);
  const auto first = rows.epoch_order(0);
  CHECK(first != rows.epoch_order(1));
  CHECK(first != other.epoch_order(0));
  std::size_t neighbours = 0;
  for (std::size_t i = 1; i < first.size(); ++i) neighbours += first[i] == first[i - 1] + 1 ? 1 : 0;
  CHECK(neighbours < 20);  // about one in a full shuffle; 2400 in order
}

TEST_CASE_FIXTURE(Rows, "shuffled rows: an epoch that skips batches goes on exactly there") {
  ShuffledRows rows(*held, kSamples, 64, 7), disk(*streamed, kSamples, 64, 7);
  const auto whole = rows.epoch_order(2);
  for (const std::size_t skip : {std::size_t{1}, std::size_t{31}, std::size_t{32}, std::size_t{33}, std::size_t{38}}) {
    const std::vector<std::size_t> rest(whole.begin() + static_cast<std::ptrdiff_t>(skip * 64), whole.end());
    CHECK(epoch(rows, 2, skip) == rest);
    if (skip == 33) CHECK(epoch(disk, 2, skip) == rest);
  }
  CHECK(epoch(rows, 2, rows.batches_per_epoch()).empty());
}

}  // namespace
}  // namespace mt
