#include "tokenize/image_samples.h"

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/error.h"
#include "tokenize/synthetic.h"

using namespace mt;
using namespace mt::test;

namespace {

const Normalization kHalf{{0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}};

// Picture i is 20 + i pixels high and 40 wide; number 2 cannot be decoded.
class Pictures : public ImageSource {
 public:
  std::size_t size() const override { return 4; }
  std::string id(std::size_t i) const override { return fmt::format("{}.png", i); }
  bool has_labels() const override { return true; }
  const std::vector<std::string>& label_names() const override { return names_; }
  std::int32_t label(std::size_t i) const override { return static_cast<std::int32_t>(i) % 2; }
  Loaded load(std::size_t i) const override {
    if (i == 2) throw Error(id(i), "is no picture");
    Loaded loaded;
    loaded.image.pixels = synthetic("waves", 20 + i, 40, 3);
    loaded.digest = digest(i);
    return loaded;
  }
  Digest digest(std::size_t i) const override { return sha256(std::string_view(id(i))); }

 private:
  std::vector<std::string> names_ = {"cat", "dog"};
};

ImageTokenization to_patches(bool bytes) {
  ImageTokenization tokenization;
  tokenization.preparation.size = {16, 24};
  tokenization.patch = 8;
  tokenization.normalization = kHalf;
  tokenization.bytes = bytes;
  return tokenization;
}

Batch made(const ImageSamples& samples, std::size_t i) {
  Batch batch = samples.empty_batch();
  batch.offsets = {0};
  samples.make(i, batch);
  batch.ids = {samples.id(i)};
  batch.offsets.push_back(static_cast<std::int64_t>(batch.rows.rows()));
  samples.finish(batch);
  return batch;
}

}  // namespace

TEST_CASE("image samples: patches as bytes and as normalised floats hold the same values") {
  const Pictures pictures;
  const ImageSamples bytes(pictures, to_patches(true)), floats(pictures, to_patches(false));

  const Batch a = made(bytes, 1), b = made(floats, 1);

  CHECK(bytes.schema().kind == Kind::patches);
  CHECK(bytes.schema().dtype == DType::u8);
  CHECK(bytes.schema().width == 192);
  CHECK(bytes.config()["normalized"] == false);
  CHECK(floats.config()["normalized"] == true);
  REQUIRE(a.rows.shape() == Shape{6, 192});
  REQUIRE(b.rows.shape() == Shape{6, 192});
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    CHECK(b.rows.as<float>()[i] == (static_cast<float>(a.rows.as<std::uint8_t>()[i]) / 255.0F - 0.5F) / 0.5F);
  }
}

TEST_CASE("image samples: tokens have a class token first, which lies nowhere") {
  const Pictures pictures;
  ImageTokenization tokenization = to_patches(false);
  const Part part = initial_image_tokenizer(32, 8, kHalf, {16, 24}, 0);
  tokenization.tokenizer = std::make_shared<ImageTokenizer>(part, Size{16, 24}, kHalf);
  const ImageSamples samples(pictures, tokenization);

  const Batch batch = made(samples, 0);

  CHECK(samples.schema().kind == Kind::tokens);
  CHECK(samples.schema().prefix == 1);
  CHECK(samples.schema().positions);
  CHECK(samples.schema().label_names == std::vector<std::string>{"cat", "dog"});
  CHECK(samples.rows_per_sample() == 7);
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 7});
  CHECK(batch.rows.shape() == Shape{7, 32});
  REQUIRE(batch.centers.shape() == Shape{7, 3});
  CHECK(std::isnan(batch.centers.row<float>(0)[0]));
  CHECK(batch.grid.row<std::int32_t>(0)[0] == 1);
  CHECK(batch.grid.row<std::int32_t>(0)[1] == 2);
  CHECK(batch.grid.row<std::int32_t>(0)[2] == 3);
}

TEST_CASE("image samples: centres are rows and columns of the upright source picture") {
  const Pictures pictures;
  const ImageSamples samples(pictures, to_patches(true));
  // 20 x 40 shrinks by 1.25 to 16 x 32, of which columns 4 to 28 stay: the first patch's centre is (4, 8) there.
  const Batch batch = made(samples, 0);
  CHECK(batch.centers.row<float>(0)[0] == 5);
  CHECK(batch.centers.row<float>(0)[1] == 10);
  CHECK(batch.centers.row<float>(5)[0] == 15);
  CHECK(batch.centers.row<float>(5)[1] == 30);
  CHECK(batch.centers.row<float>(5)[2] == 0);
}

TEST_CASE(
    "image samples: what cannot be decoded is an error for the pipeline to reject, its digest is known all the same") {
  const Pictures pictures;
  const ImageSamples samples(pictures, to_patches(true));
  Batch batch = samples.empty_batch();
  CHECK_THROWS_WITH_AS(samples.make(2, batch), "2.png: is no picture", Error);
  CHECK(samples.digest(2) == sha256(std::string_view("2.png")));
}

TEST_CASE("image samples: the configuration states what decides the rows and nothing else") {
  const Pictures pictures;
  const nlohmann::json config = ImageSamples(pictures, to_patches(true)).config();
  std::vector<std::string> names;
  for (const auto& [name, value] : config.items()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"channels", "exif", "filter", "grey", "mean", "modality", "normalized",
                                          "patch", "resize", "size", "std", "window"});
}
