#include "tokenize/image_prepare.h"

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "base/error.h"
#include "tokenize/goldens.h"
#include "tokenize/image_alpha.h"
#include "tokenize/image_patches.h"
#include "tokenize/synthetic.h"

using namespace mt;
using namespace mt::test;

namespace {

Size size_in(const nlohmann::json& pair) { return {pair[0].get<std::size_t>(), pair[1].get<std::size_t>()}; }

Image image_of(Tensor pixels) {
  Image image;
  image.pixels = std::move(pixels);
  return image;
}

// One channel three times, as open_clip converts grey pictures to RGB.
Tensor as_rgb(const Tensor& pixels) {
  if (pixels.shape()[2] == 3) return pixels;
  Tensor rgb(DType::u8, {pixels.shape()[0], pixels.shape()[1], 3});
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb.as<std::uint8_t>()[i] = pixels.as<std::uint8_t>()[i / 3];
  return rgb;
}

}  // namespace

TEST_CASE("prepare: bytes equal open_clip's transforms, for every mode, shape and kind of picture") {
  for (const auto& golden : image_golden("preparation")) {
    INFO(golden.dump());
    const auto source = golden["source"].get<std::vector<std::size_t>>();
    ImagePreparation preparation;
    preparation.size = size_in(golden["size"]);
    preparation.mode = resize_mode_named(golden["mode"].get<std::string>());

    const PreparedImage prepared =
        prepare_image(image_of(synthetic("waves", source[0], source[1], source[2])), preparation);

    CHECK(crc32_of(as_rgb(prepared.pixels).bytes()) == golden["crc32"].get<std::uint32_t>());
    // Patches of the whole picture are the normalised picture itself, channel by channel.
    if (preparation.size.height == preparation.size.width) {
      const Normalization clip{{0.48145466F, 0.4578275F, 0.40821073F}, {0.26862954F, 0.26130258F, 0.27577711F}};
      std::vector<float> normalised(3 * preparation.size.height * preparation.size.width);
      cut_patches(prepared.pixels, preparation.size.height, clip, normalised);
      CHECK(worst_difference(normalised, golden["samples"]) < 1e-7 * 4);  // the goldens have seven digits
    }
  }
}

TEST_CASE("prepare: deeper pictures follow the bytes within their rounding") {
  for (const std::size_t channels : {3, 4}) {
    Tensor bytes = synthetic("waves", 60, 90, channels), words(DType::u16, bytes.shape());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (i % 4 == 3 && channels == 4) bytes.as<std::uint8_t>()[i] = 128;
      words.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(bytes.as<std::uint8_t>()[i] * 257);
    }
    const ImagePreparation preparation{.size = {32, 32}, .filter = Filter::bilinear};

    const Tensor from_bytes = prepare_image(image_of(bytes), preparation).pixels.to(DType::f32);
    const Tensor from_words = prepare_image(image_of(words), preparation).pixels;

    REQUIRE(from_words.dtype() == DType::f32);
    // Half a level for each pass; with alpha one half more, and all of it twice because the opacity is a half.
    const float tolerance = channels == 3 ? 1.01F : 4.01F;
    for (std::size_t i = 0; i < from_bytes.size(); ++i) {
      CHECK(std::abs(from_bytes.as<float>()[i] - from_words.as<float>()[i]) < tolerance);
    }
  }
}

TEST_CASE("prepare: an opaque alpha channel changes nothing") {
  const Tensor rgb = synthetic("noise", 50, 70, 3);
  Tensor rgba(DType::u8, {50, 70, 4});
  for (std::size_t i = 0; i < rgba.size(); ++i) {
    rgba.as<std::uint8_t>()[i] = i % 4 == 3 ? 255 : rgb.as<std::uint8_t>()[i / 4 * 3 + i % 4];
  }
  const ImagePreparation preparation{.size = {32, 32}};
  CHECK(std::ranges::equal(prepare_image(image_of(rgb), preparation).pixels.bytes(),
                           prepare_image(image_of(rgba), preparation).pixels.bytes()));
}

TEST_CASE("prepare: colours that nobody sees do not bleed into those that are seen") {
  // Left half opaque and black, right half transparent and white.
  Tensor pixels(DType::u8, {16, 16, 2});
  for (std::size_t i = 0; i < 256; ++i) {
    pixels.as<std::uint8_t>()[2 * i] = i % 16 < 8 ? 0 : 255;
    pixels.as<std::uint8_t>()[2 * i + 1] = i % 16 < 8 ? 255 : 0;
  }
  const Tensor prepared = prepare_image(image_of(pixels), {.size = {8, 8}, .filter = Filter::bilinear}).pixels;
  for (std::size_t row = 0; row < 8; ++row) {
    for (std::size_t column = 0; column < 4; ++column) CHECK(prepared.as<std::uint8_t>()[row * 8 + column] == 0);
  }
}

TEST_CASE("prepare: the orientation is applied unless told otherwise") {
  Image image = image_of(synthetic("waves", 10, 20, 3));
  image.orientation = 6;
  ImagePreparation preparation{.size = {20, 10}};

  const PreparedImage upright = prepare_image(image, preparation);
  preparation.upright = false;
  const PreparedImage lying = prepare_image(image, preparation);

  CHECK(std::ranges::equal(upright.pixels.bytes(), oriented(image).pixels.bytes()));
  CHECK_FALSE(std::ranges::equal(upright.pixels.bytes(), lying.pixels.bytes()));
}

TEST_CASE("prepare: grey is Pillow's luminance, and leaves equal channels as they are") {
  Tensor rgb = synthetic("noise", 4, 4, 3);
  rgb.as<std::uint8_t>()[0] = 10;
  rgb.as<std::uint8_t>()[1] = 200;
  rgb.as<std::uint8_t>()[2] = 30;
  for (std::size_t i = 3; i < rgb.size(); ++i) rgb.as<std::uint8_t>()[i] = rgb.as<std::uint8_t>()[i / 3 * 3];
  const Tensor grey = prepare_image(image_of(rgb), {.size = {4, 4}, .grey = true}).pixels;
  REQUIRE(grey.shape() == Shape{4, 4, 1});
  CHECK(grey.as<std::uint8_t>()[0] == 124);  // Image.convert("L") of (10, 200, 30)
  for (std::size_t i = 1; i < 16; ++i) CHECK(grey.as<std::uint8_t>()[i] == rgb.as<std::uint8_t>()[3 * i]);
}

TEST_CASE("prepare: tells where the prepared picture lies in its source") {
  // 100 x 200 shrinks to 50 x 100, of which columns 25 to 75 stay.
  const PreparedImage cropped = prepare_image(image_of(synthetic("waves", 100, 200, 1)), {.size = {50, 50}});
  CHECK(cropped.row_scale == 2);
  CHECK(cropped.column_scale == 2);
  CHECK(cropped.row_origin == 0);
  CHECK(cropped.column_origin == 50);

  // 100 x 200 becomes 25 x 50 in the middle of a black square.
  const PreparedImage padded =
      prepare_image(image_of(synthetic("white", 100, 200, 1)), {.size = {50, 50}, .mode = ResizeMode::pad});
  CHECK(padded.row_scale == 4);
  CHECK(padded.row_origin == -48);
  CHECK(padded.pixels.as<std::uint8_t>()[0] == 0);
  CHECK(padded.pixels.as<std::uint8_t>()[12 * 50] == 255);
}

TEST_CASE("prepare: pictures of a single row or column, and of one pixel, are pictures too") {
  for (const Size source : {Size{1, 1}, Size{1, 5000}, Size{5000, 1}, Size{2, 3}}) {
    for (const ResizeMode mode : {ResizeMode::shortest, ResizeMode::stretch, ResizeMode::pad}) {
      const PreparedImage prepared =
          prepare_image(image_of(synthetic("white", source.height, source.width, 3)), {.size = {16, 16}, .mode = mode});
      CHECK(prepared.pixels.shape() == Shape{16, 16, 3});
      if (mode != ResizeMode::pad)
        CHECK(std::ranges::all_of(prepared.pixels.as<std::uint8_t>(), [](int v) { return v == 255; }));
    }
  }
}

TEST_CASE("prepare: an unknown way to resize is a usage error") {
  CHECK_THROWS_AS(resize_mode_named("crop"), UsageError);
  CHECK(resize_mode_named(name_of(ResizeMode::pad)) == ResizeMode::pad);
}
