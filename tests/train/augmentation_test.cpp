#include "train/augmentation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "base/error.h"
#include "tokenize/image_patches.h"

namespace mt {
namespace {

constexpr std::size_t kSide = 4, kRows = 2, kColumns = 3;

// A picture of 8 x 12 pixels and 2 channels, whose values tell its pixels apart; moved by hand.
std::vector<float> picture(bool flipped, int down, int right) {
  const int height = kRows * kSide, width = kColumns * kSide;
  std::vector<float> patches(kRows * kColumns * 2 * kSide * kSide);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int from_y = std::clamp(y - down, 0, height - 1);
      int from_x = std::clamp(x - right, 0, width - 1);
      if (flipped) from_x = width - 1 - from_x;
      for (int c = 0; c < 2; ++c) {
        const std::size_t patch = static_cast<std::size_t>(y) / kSide * kColumns + static_cast<std::size_t>(x) / kSide;
        const std::size_t number = (static_cast<std::size_t>(c) * kSide + static_cast<std::size_t>(y) % kSide) * kSide +
                                   static_cast<std::size_t>(x) % kSide;
        patches[patch * 2 * kSide * kSide + number] = static_cast<float>(1000 * c + 100 * from_y + from_x);
      }
    }
  }
  return patches;
}

Batch pictures(std::size_t count) {
  Batch batch;
  batch.rows = Tensor(DType::f32, {0, 2 * kSide * kSide});
  batch.grid = Tensor(DType::i32, {0, 3});
  batch.offsets = {0};
  for (std::size_t i = 0; i < count; ++i) {
    const auto values = picture(false, 0, 0);
    batch.rows.resize_rows((i + 1) * kRows * kColumns);
    std::ranges::copy(values, batch.rows.as<float>().begin() + static_cast<std::ptrdiff_t>(i * values.size()));
    batch.grid.resize_rows(i + 1);
    std::ranges::copy(std::vector<std::int32_t>{1, kRows, kColumns}, batch.grid.row<std::int32_t>(i).begin());
    batch.ids.push_back(std::to_string(i));
    batch.offsets.push_back(static_cast<std::int64_t>((i + 1) * kRows * kColumns));
  }
  return batch;
}

Schema schema_of(const char* modality, std::size_t width) {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = modality;
  schema.width = width;
  schema.has_grid = true;
  schema.config = {{"patch", kSide}, {"features", "dp"}};
  return schema;
}

TEST_CASE("augmentation: pictures are flipped and moved as a whole, another way in each epoch") {
  const Augmentation augmentation(augmentation_named("flip,shift:2"), schema_of("image", 2 * kSide * kSide), 5);
  std::set<std::vector<float>> seen;
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    Batch batch = pictures(20);
    std::vector<std::size_t> samples(20);
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = i;
    augmentation.apply(batch, samples, epoch);
    for (std::size_t s = 0; s < samples.size(); ++s) {
      const auto size = static_cast<std::ptrdiff_t>(picture(false, 0, 0).size());
      const auto begin = std::as_const(batch.rows).as<float>().begin() + static_cast<std::ptrdiff_t>(s) * size;
      const std::vector<float> moved(begin, begin + size);
      bool known = false;
      for (int down = -2; down <= 2; ++down) {
        for (int right = -2; right <= 2; ++right)
          known = known || moved == picture(false, down, right) || moved == picture(true, down, right);
      }
      CHECK(known);
      seen.insert(moved);
    }
  }
  CHECK(seen.size() > 20);  // of 50 ways
}

TEST_CASE("augmentation: the same seed, epoch and sample give the same numbers, whatever the batch") {
  const Augmentation augmentation(augmentation_named("flip,shift:1,noise:0.5,gain:0.1"),
                                  schema_of("image", 2 * kSide * kSide), 5);
  Batch both = pictures(2), one = pictures(1);
  augmentation.apply(both, std::vector<std::size_t>{3, 8}, 1);
  augmentation.apply(one, std::vector<std::size_t>{8}, 1);
  const std::size_t half = one.rows.size();
  CHECK(std::ranges::equal(std::as_const(both.rows).as<float>().subspan(half), std::as_const(one.rows).as<float>()));
  Batch later = pictures(1);
  augmentation.apply(later, std::vector<std::size_t>{8}, 2);
  CHECK_FALSE(std::ranges::equal(std::as_const(later.rows).as<float>(), std::as_const(one.rows).as<float>()));
}

TEST_CASE("augmentation: noise and gain have the deviation that was asked for") {
  const Augmentation augmentation(augmentation_named("noise:0.5"), schema_of("imu", 1), 5);
  Batch batch;
  batch.rows = Tensor(DType::f32, {20000, 1});
  batch.offsets = {0, 20000};
  batch.ids = {"a"};
  augmentation.apply(batch, std::vector<std::size_t>{0}, 0);
  double sum = 0, squares = 0;
  for (const float value : std::as_const(batch.rows).as<float>()) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  CHECK(std::fabs(sum / 20000) < 0.02);  // five standard errors
  CHECK(std::sqrt(squares / 20000) == doctest::Approx(0.5).epsilon(0.03));
}

TEST_CASE("augmentation: a turned cloud keeps heights and lengths") {
  const Augmentation augmentation(augmentation_named("rotate"), schema_of("point-cloud", 6), 5);
  Batch batch;
  batch.rows = Tensor::of<float>({2, 6}, {1, 2, 3, -4, 5, 6, 0, 1, 0, 2, 2, 2});
  batch.centers = Tensor::of<float>({2, 3}, {1, 0, 7, 0, 2, 8});
  batch.offsets = {0, 2};
  batch.ids = {"a"};
  const Tensor before = batch.rows, centers = batch.centers;
  augmentation.apply(batch, std::vector<std::size_t>{0}, 0);
  CHECK_FALSE(std::ranges::equal(std::as_const(batch.rows).as<float>(), std::as_const(before).as<float>()));
  const auto length = [](std::span<const float> p) { return std::hypot(p[0], p[1]); };
  for (const auto& [now, then] : {std::pair{&batch.rows, &before}, {&batch.centers, &centers}}) {
    const auto a = std::as_const(*now).as<float>(), b = then->as<float>();
    for (std::size_t i = 0; i < a.size(); i += 3) {
      CHECK(a[i + 2] == b[i + 2]);
      CHECK(length(a.subspan(i, 2)) == doctest::Approx(length(b.subspan(i, 2))));
    }
  }
}

TEST_CASE("augmentation: sound is moved in time, the border repeated, and clouds as a whole") {
  const Augmentation sound(augmentation_named("shift:2"), schema_of("audio", 1), 5);
  Batch batch;
  batch.rows = Tensor::of<float>({8, 1}, {0, 1, 2, 3, 10, 11, 12, 13});  // 2 rows of 4 steps
  batch.grid = Tensor::of<std::int32_t>({1, 3}, {1, 2, 4});
  batch.offsets = {0, 8};
  batch.ids = {"a"};
  std::set<int> seen;
  for (std::uint64_t epoch = 0; epoch < 40; ++epoch) {
    Batch copy = batch;
    sound.apply(copy, std::vector<std::size_t>{0}, epoch);
    const auto values = std::as_const(copy.rows).as<float>();
    for (int by = -2; by <= 2; ++by) {
      bool same = true;
      for (int t = 0; t < 8; ++t)
        same = same &&
               values[static_cast<std::size_t>(t)] == static_cast<float>(t / 4 * 10 + std::clamp(t % 4 - by, 0, 3));
      if (same) seen.insert(by);
    }
  }
  CHECK(seen == std::set<int>{-2, -1, 0, 1, 2});

  const Augmentation cloud(augmentation_named("shift:0.5"), schema_of("point-cloud", 6), 5);
  Batch points;
  points.rows = Tensor::of<float>({2, 6}, {1, 2, 3, -4, 5, 6, 0, 1, 0, 2, 2, 2});
  points.centers = Tensor::of<float>({2, 3}, {0, 0, 0, 1, 2, 3});
  points.offsets = {0, 2};
  points.ids = {"a"};
  const Tensor rows = points.rows;
  cloud.apply(points, std::vector<std::size_t>{0}, 0);
  CHECK(std::ranges::equal(std::as_const(points.rows).as<float>(), std::as_const(rows).as<float>()));
  const auto by = std::as_const(points.centers).row<float>(0), other = std::as_const(points.centers).row<float>(1);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    CHECK(by[axis] != 0);
    CHECK(std::fabs(by[axis]) <= 0.5F);
    CHECK(other[axis] - by[axis] == doctest::Approx(axis + 1.0));
  }
}

TEST_CASE("augmentation: masks silence whole rows or columns of the grid, dropped tokens leave one at least") {
  const Augmentation augmentation(augmentation_named("mask:0.5,drop:0.9"), schema_of("audio", 1), 5);
  std::size_t silenced = 0;
  for (std::size_t sample = 0; sample < 30; ++sample) {
    Batch batch;
    batch.rows = Tensor::of<float>({6, 1}, {1, 1, 1, 1, 1, 1});
    batch.grid = Tensor::of<std::int32_t>({1, 3}, {1, 2, 3});
    batch.offsets = {0, 6};
    batch.ids = {"a"};
    augmentation.apply(batch, std::vector<std::size_t>{sample}, 0);
    for (const float value : std::as_const(batch.rows).as<float>()) silenced += value == 0 ? 1 : 0;
    const auto kept = augmentation.kept(6, sample, 0);
    CHECK(!kept.empty());
    CHECK(kept.size() <= 6);
    CHECK(std::ranges::is_sorted(kept));
  }
  CHECK(silenced > 0);
  CHECK(silenced < 180);
}

TEST_CASE("augmentation: a grid that its patches do not fill is left alone") {
  const std::vector<std::vector<std::int32_t>> lies = {{0, 0, 0}, {1, -1, -6}, {-1, -2, 3},
                                                       {1, 2, 0}, {1, 4, 4},   {2147483647, 2147483647, 2147483647}};
  for (const auto& sides : lies) {
    Batch picture = pictures(1);
    std::ranges::copy(sides, picture.grid.row<std::int32_t>(0).begin());
    const Tensor before = picture.rows;
    for (const char* what : {"flip,shift:2", "mask:0.9"}) {
      const Augmentation augmentation(augmentation_named(what), schema_of("image", 2 * kSide * kSide), 5);
      for (std::uint64_t epoch = 0; epoch < 5; ++epoch) augmentation.apply(picture, std::vector<std::size_t>{0}, epoch);
    }
    CHECK(std::ranges::equal(std::as_const(picture.rows).as<float>(), before.as<float>()));
    Batch sound;
    sound.rows = Tensor::of<float>({6, 1}, {1, 2, 3, 4, 5, 6});
    sound.grid = Tensor::of<std::int32_t>({1, 3}, std::span<const std::int32_t>(sides));
    sound.offsets = {0, 6};
    sound.ids = {"a"};
    const Augmentation moves(augmentation_named("shift:2"), schema_of("audio", 1), 5);
    for (std::uint64_t epoch = 0; epoch < 5; ++epoch) moves.apply(sound, std::vector<std::size_t>{0}, epoch);
    CHECK(std::as_const(sound.rows).as<float>()[0] == 1);
  }
}

TEST_CASE("augmentation: mixup mixes samples of one length, and says with whom") {
  const Augmentation augmentation(augmentation_named("mixup:0.4"), schema_of("imu", 1), 5);
  Batch batch;
  batch.rows = Tensor::of<float>({7, 1}, {1, 1, 2, 2, 4, 4, 9});
  batch.offsets = {0, 2, 4, 6, 7};
  batch.ids = {"a", "b", "c", "d"};
  const Tensor before = batch.rows;
  bool mixed = false;
  for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
    Batch copy = batch;
    const auto partners = augmentation.mix(copy, std::vector<std::size_t>{0, 1, 2, 3}, epoch);
    CHECK(partners[3].other == 3);
    for (std::size_t s = 0; s < 4; ++s) {
      CHECK(partners[s].share >= 0.5F);
      mixed = mixed || partners[s].other != s;
      const float own = before.as<float>()[batch.row_begin(s)],
                  its = before.as<float>()[batch.row_begin(partners[s].other)];
      CHECK(std::as_const(copy.rows).as<float>()[batch.row_begin(s)] ==
            doctest::Approx(partners[s].share * own + (1 - partners[s].share) * its));
    }
  }
  CHECK(mixed);
}

TEST_CASE("augmentation: cutmix puts a box of another's grid into a sample, and mixes labels by its area") {
  const Augmentation augmentation(augmentation_named("cutmix:1"), schema_of("audio", 1), 5);
  constexpr std::size_t kGridRows = 5, kGridColumns = 4, kPatches = kGridRows * kGridColumns, kSamples = 4;
  Batch batch;
  batch.rows = Tensor(DType::f32, {kSamples * kPatches, 1});
  batch.grid = Tensor(DType::i32, {kSamples, 3});
  batch.offsets = {0};
  for (std::size_t s = 0; s < kSamples; ++s) {  // the last one lies the other way round
    const bool turned = s + 1 == kSamples;
    std::ranges::copy(std::vector<std::int32_t>{1, turned ? 4 : 5, turned ? 5 : 4},
                      batch.grid.row<std::int32_t>(s).begin());
    for (std::size_t t = 0; t < kPatches; ++t) batch.rows.row<float>(s * kPatches + t)[0] = static_cast<float>(s);
    batch.ids.push_back(std::to_string(s));
    batch.offsets.push_back(static_cast<std::int64_t>((s + 1) * kPatches));
  }
  std::set<float> shares;
  for (std::uint64_t epoch = 0; epoch < 10; ++epoch) {
    Batch copy = batch;
    const auto partners = augmentation.mix(copy, std::vector<std::size_t>{0, 1, 2, 3}, epoch);
    CHECK(partners[3].other == 3);
    for (std::size_t s = 0; s < kSamples; ++s) {
      const auto value = [&](std::size_t row, std::size_t column) {
        return std::as_const(copy.rows).as<float>()[s * kPatches + row * kGridColumns + column];
      };
      std::set<std::size_t> rows, columns;
      std::size_t replaced = 0;
      for (std::size_t row = 0; row < kGridRows; ++row) {
        for (std::size_t column = 0; column < kGridColumns; ++column) {
          if (value(row, column) == static_cast<float>(s)) continue;
          CHECK(value(row, column) == static_cast<float>(partners[s].other));
          rows.insert(row);
          columns.insert(column);
          ++replaced;
        }
      }
      CHECK(replaced == rows.size() * columns.size());  // a box
      CHECK(partners[s].share == doctest::Approx(1 - static_cast<double>(replaced) / kPatches));
      shares.insert(partners[s].share);
    }
  }
  CHECK(shares.size() > 5);
}

TEST_CASE("augmentation: refuses what it does not know and what the patches cannot have") {
  CHECK_THROWS_WITH_AS(augmentation_named("flop"), doctest::Contains("\"flop\" is not known"), UsageError);
  CHECK_THROWS_AS(augmentation_named("noise"), UsageError);
  CHECK_THROWS_AS(augmentation_named("noise:-1"), UsageError);
  CHECK_THROWS_AS(augmentation_named("shift:-1"), UsageError);
  CHECK_THROWS_WITH_AS(Augmentation(augmentation_named("shift:1.5"), schema_of("audio", 16), 0),
                       doctest::Contains("no whole number of patches"), UsageError);
  CHECK_THROWS_AS(Augmentation(augmentation_named("shift:1"), schema_of("imu", 16), 0), UsageError);
  CHECK_THROWS_AS(augmentation_named("drop:1"), UsageError);
  CHECK_THROWS_AS(Augmentation(augmentation_named("flip"), schema_of("audio", 16), 0), UsageError);
  CHECK_THROWS_AS(Augmentation(augmentation_named("rotate"), schema_of("image", 16), 0), UsageError);
  CHECK_THROWS_AS(Augmentation(augmentation_named("mixup:1"), schema_of("text", 0), 0), UsageError);
  Schema series = schema_of("imu", 1);
  series.has_grid = false;
  CHECK_THROWS_AS(Augmentation(augmentation_named("cutmix:1"), series, 0), UsageError);
}

}  // namespace
}  // namespace mt
