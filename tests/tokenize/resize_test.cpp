#include "tokenize/resize.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <doctest/doctest.h>

#include "base/error.h"
#include "tokenize/goldens.h"
#include "tokenize/synthetic.h"

using namespace mt;
using namespace mt::test;

namespace {

Size size_in(const nlohmann::json& pair) { return {pair[0].get<std::size_t>(), pair[1].get<std::size_t>()}; }

}  // namespace

TEST_CASE("resize: bytes equal Pillow's, up and down, by small and large factors, whichever pass comes first") {
  for (const auto& golden : image_golden("resize")) {
    INFO(golden.dump());
    const auto source = golden["source"].get<std::vector<std::size_t>>();
    const Tensor pixels = synthetic(golden["kind"].get<std::string>(), source[0], source[1], source[2]);

    const Tensor resized = resize(pixels, size_in(golden["size"]), filter_named(golden["filter"].get<std::string>()));

    CHECK(resized.shape() == Shape{golden["size"][0], golden["size"][1], source[2]});
    CHECK(crc32_of(resized.bytes()) == golden["crc32"].get<std::uint32_t>());
  }
}

TEST_CASE("resize: floats agree with Pillow's mode F") {
  for (const auto& golden : image_golden("resize_float")) {
    INFO(golden.dump());
    Tensor pixels = synthetic("noise", golden["source"][0], golden["source"][1], 1).to(DType::f32);
    for (float& value : pixels.as<float>()) value /= 3;

    const Tensor resized = resize(pixels, size_in(golden["size"]), filter_named(golden["filter"].get<std::string>()));

    // Values up to 85 whose sums are rounded to float once a pass: 2^-18 each.
    CHECK(worst_difference(resized.as<float>(), golden["samples"]) < 1e-5);
  }
}

TEST_CASE("resize: a part equals the same part of the whole, for every number of channels and type") {
  for (const std::size_t channels : {1, 2, 3, 4, 5}) {
    for (const bool floating : {false, true}) {
      for (const Size size : {Size{40, 97}, Size{150, 30}, Size{61, 80}, Size{40, 70}, Size{61, 70}}) {
        Tensor pixels = synthetic("noise", 61, 70, channels);
        if (floating) pixels = pixels.to(DType::f32);
        const Rectangle part{3, 5, {size.height - 7, size.width - 11}};

        const Tensor whole = resize(pixels, size, Filter::bicubic);
        const Tensor cropped = resize(pixels, size, part, Filter::bicubic);

        const std::size_t pixel = channels * size_of(pixels.dtype());
        for (std::size_t row = 0; row < part.size.height; ++row) {
          const std::byte* expected = whole.data() + ((row + part.top) * size.width + part.left) * pixel;
          const std::byte* found = cropped.data() + row * part.size.width * pixel;
          CHECK(std::memcmp(expected, found, part.size.width * pixel) == 0);
        }
      }
    }
  }
}

TEST_CASE("resize: bytes and floats differ by rounding only") {
  const Tensor pixels = synthetic("waves", 90, 120, 3);

  const Tensor bytes = resize(pixels, {37, 50}, Filter::bilinear);
  const Tensor floats = resize(pixels.to(DType::f32), {37, 50}, Filter::bilinear);

  // Half a grey level for each of the two passes.
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    CHECK(std::abs(static_cast<float>(bytes.as<std::uint8_t>()[i]) - floats.as<float>()[i]) <= 1.01F);
  }
}

TEST_CASE("resize: the same size gives the same picture") {
  const Tensor pixels = synthetic("noise", 9, 13, 3);
  const Tensor same = resize(pixels, {9, 13}, Filter::bicubic);
  CHECK(std::ranges::equal(pixels.bytes(), same.bytes()));
}

TEST_CASE("resize: a part outside of the picture is our own mistake, an unknown filter the user's") {
  const Tensor pixels = synthetic("noise", 4, 4, 1);
  CHECK_THROWS_AS(resize(pixels, {8, 8}, {4, 4, {5, 4}}, Filter::bicubic), std::logic_error);
  CHECK_THROWS_AS(filter_named("lanczos"), UsageError);
  CHECK(filter_named(name_of(Filter::bilinear)) == Filter::bilinear);
}
