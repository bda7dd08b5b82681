#include "train/picture_views.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "base/error.h"
#include "tokenize/image_patches.h"

namespace mt {
namespace {

constexpr std::size_t kPatch = 2, kChannels = 3, kStored = 8, kLearned = 4;

Schema schema_of(std::size_t stored, std::size_t learned, DType dtype = DType::u8) {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "image";
  schema.width = kPatch * kPatch * kChannels;
  schema.dtype = dtype;
  schema.has_grid = true;
  schema.config = {{"patch", kPatch},         {"size", {stored, stored}}, {"learn_size", {learned, learned}},
                   {"mean", {0.5, 0.5, 0.5}}, {"std", {0.5, 0.5, 0.5}},   {"filter", "bicubic"}};
  return schema;
}

// A picture whose brightness rises to the right, and whose channels tell themselves apart.
Tensor picture(std::size_t side) {
  Tensor pixels(DType::u8, {side, side, kChannels});
  for (std::size_t y = 0; y < side; ++y) {
    for (std::size_t x = 0; x < side; ++x) {
      for (std::size_t c = 0; c < kChannels; ++c)
        pixels.as<std::uint8_t>()[(y * side + x) * kChannels + c] = static_cast<std::uint8_t>(20 * x + 5 * y + 7 * c);
    }
  }
  return pixels;
}

Batch pictures(std::size_t count, std::size_t side) {
  const std::size_t patches = side / kPatch * (side / kPatch);
  Batch batch;
  batch.rows = Tensor(DType::u8, {count * patches, kPatch * kPatch * kChannels});
  batch.grid = Tensor(DType::i32, {count, 3});
  batch.centers = Tensor(DType::f32, {count * patches, 3});
  batch.offsets = {0};
  for (std::size_t i = 0; i < count; ++i) {
    const auto size = patches * batch.rows.columns();
    cut_patches(picture(side), kPatch, kChannels, batch.rows.as<std::uint8_t>().subspan(i * size, size));
    const auto sides = static_cast<std::int32_t>(side / kPatch);
    std::ranges::copy(std::vector<std::int32_t>{1, sides, sides}, batch.grid.row<std::int32_t>(i).begin());
    batch.ids.push_back(std::to_string(i));
    batch.offsets.push_back(static_cast<std::int64_t>((i + 1) * patches));
  }
  return batch;
}

std::vector<std::uint8_t> bytes_of(const Batch& batch, std::size_t sample) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t row = batch.row_begin(sample); row < batch.row_end(sample); ++row) {
    const auto values = batch.rows.row<std::uint8_t>(row);
    bytes.insert(bytes.end(), values.begin(), values.end());
  }
  return bytes;
}

TEST_CASE("picture views: a stored picture is seen whole as resize would make it") {
  const PictureViews views(schema_of(kStored, kLearned), 0, 1);
  CHECK(views.patches(16) == 4);
  Batch batch = pictures(2, kStored);
  views.whole(batch);
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 4, 8});
  CHECK(batch.grid.row<std::int32_t>(1)[2] == 2);
  const Tensor small = resize(picture(kStored), {kLearned, kLearned}, Filter::bicubic);
  std::vector<std::uint8_t> expected(kLearned * kLearned * kChannels);
  cut_patches(small, kPatch, kChannels, expected);
  CHECK(bytes_of(batch, 0) == expected);
  CHECK(bytes_of(batch, 1) == expected);
}

TEST_CASE("picture views: float patches are seen as bytes are, within rounding") {
  Batch bytes = pictures(1, kStored), floats = bytes;
  floats.rows = bytes.rows.to(DType::f32);
  PictureViews(schema_of(kStored, kLearned), 0, 1).whole(bytes);
  PictureViews(schema_of(kStored, kLearned, DType::f32), 0, 1).whole(floats);
  const auto expected = bytes_of(bytes, 0);
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(std::fabs(std::as_const(floats.rows).as<float>()[i] - static_cast<float>(expected[i])) <=
          1);  // two passes are rounded
}

TEST_CASE("picture views: crops differ by epoch and sample, not by batch, and lie within the picture") {
  const PictureViews views(schema_of(kStored, kLearned), 0.3, 5);
  std::set<std::vector<std::uint8_t>> seen;
  for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
    Batch both = pictures(2, kStored), one = pictures(1, kStored);
    views.crop(both, std::vector<std::size_t>{3, 8}, epoch);
    views.crop(one, std::vector<std::size_t>{8}, epoch);
    CHECK(bytes_of(both, 1) == bytes_of(one, 0));
    for (std::size_t s = 0; s < 2; ++s) {
      const auto bytes = bytes_of(both, s);
      seen.insert(bytes);
      // Brightness still rises to the right: the first number of a patch, and that of its neighbour.
      CHECK(bytes[0] < bytes[kPatch * kPatch * kChannels]);
    }
  }
  CHECK(seen.size() > 5);
}

TEST_CASE("picture views: what is in its size already, and no picture, stays as it is") {
  Batch batch = pictures(1, kLearned);
  const auto before = bytes_of(batch, 0);
  PictureViews(schema_of(kLearned, kLearned), 0, 1).whole(batch);
  CHECK(bytes_of(batch, 0) == before);
  CHECK_FALSE(batch.centers.empty());
  Schema sound = schema_of(kStored, kLearned);
  sound.modality = "audio";
  CHECK(PictureViews(sound, 0, 1).patches(7) == 7);
  CHECK_THROWS_AS(PictureViews(sound, 0.5, 1), UsageError);
  // A file whose rows are no pictures of its size.
  Batch other = pictures(1, kLearned);
  CHECK_THROWS_WITH_AS(PictureViews(schema_of(kStored, kLearned), 0, 1).whole(other),
                       doctest::Contains("not those of one picture"), Error);
}

}  // namespace
}  // namespace mt
