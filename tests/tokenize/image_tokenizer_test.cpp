#include "tokenize/image_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "base/error.h"
#include "tokenize/goldens.h"
#include "tokenize/image_prepare.h"
#include "tokenize/synthetic.h"

using namespace mt;
using namespace mt::test;

namespace {

const Normalization kClip{{0.48145466F, 0.4578275F, 0.40821073F}, {0.26862954F, 0.26130258F, 0.27577711F}};

// Rows of an endless matrix of values in [-1, 1), as the goldens' script makes them.
Tensor noise(std::uint32_t row, Shape shape, std::size_t columns, float scale = 1, float offset = 0) {
  Tensor tensor(DType::f32, shape);
  const auto values = tensor.as<float>();
  for (std::uint32_t i = 0; i < values.size(); ++i) {
    const auto y = static_cast<std::uint32_t>(row + i / columns), x = static_cast<std::uint32_t>(i % columns);
    values[i] = (static_cast<float>(synthetic_value("noise", y, x, 0)) / 128 - 1) * scale + offset;
  }
  return tensor;
}

// The part of the goldens: width 32, patches of 8, made for pictures of 32.
Part golden_part(const std::string& family) {
  Part part;
  part.tensors["patch.weight"] = noise(0, {32, 3, 8, 8}, 192, 0.1F);
  part.tensors["cls"] = noise(100, {32}, 32);
  part.tensors["positions"] = noise(200, {17, 32}, 32);
  part.config = {{"image_size", {32, 32}}, {"mean", kClip.mean}, {"std", kClip.std}};
  if (family == "open_clip") {
    part.tensors["pre_norm.weight"] = noise(300, {32}, 32, 1, 1.5F);
    part.tensors["pre_norm.bias"] = noise(301, {32}, 32);
    part.config["eps"] = 1e-5;
    part.config["position_resize"] = "antialias";
  } else {
    part.tensors["patch.bias"] = noise(301, {32}, 32);
    part.config["position_resize"] = "plain";
  }
  return part;
}

Tensor patches_of(const Tensor& pixels, const Size& size, std::size_t side, const Normalization& normalization) {
  Image image;
  image.pixels = pixels;
  const PreparedImage prepared = prepare_image(image, {.size = size});
  Tensor rows(DType::f32, {size.height / side * (size.width / side), normalization.channels() * side * side});
  cut_patches(prepared.pixels, side, normalization, rows.as<float>());
  return rows;
}

}  // namespace

TEST_CASE("image tokenizer: from a picture to tokens as open_clip and Hugging Face, at their own and another size") {
  for (const auto& golden : image_golden("tokens")) {
    INFO(golden["family"].dump(), golden["size"].dump());
    const Size size{golden["size"], golden["size"]};
    const ImageTokenizer tokenizer(golden_part(golden["family"].get<std::string>()), size, kClip);

    const Tensor tokens =
        tokenizer.embed(patches_of(synthetic("waves", 50, 41, 3), size, 8, tokenizer.normalization()));

    CHECK(tokens.shape() == Shape{tokenizer.tokens(), 32});
    // Sums of 192 products of unit size in float32, in another order.
    CHECK(worst_difference(tokens.as<float>(), golden["samples"]) < 1e-5);
  }
}

TEST_CASE("image tokenizer: the summed kernel does the same as replicating the channel") {
  const Tensor grey = synthetic("waves", 40, 64, 1);
  const Size size{32, 48};
  for (const char* family : {"open_clip", "hugging_face"}) {
    const ImageTokenizer replicated(golden_part(family), size, kClip), summed(golden_part(family), size, kClip, true);
    REQUIRE(summed.normalization().channels() == 1);

    const Tensor a = replicated.embed(patches_of(grey, size, 8, replicated.normalization()));
    const Tensor b = summed.embed(patches_of(grey, size, 8, summed.normalization()));

    // The sums run over a third of the terms, which are larger: rounding of float32.
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a.as<float>()[i] - b.as<float>()[i]) < 2e-5F);
  }
}

TEST_CASE("image tokenizer: a picture's bytes do not depend on its batch mates") {
  const ImageTokenizer tokenizer(golden_part("open_clip"), {32, 32}, kClip);
  // 40 pictures of 16 patches: products are cut in other places than pictures.
  Tensor batch(DType::f32, {40 * 16, 192});
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch.as<float>()[i] =
        static_cast<float>(synthetic_value("noise", static_cast<std::uint32_t>(i / 192), i % 192, 7)) / 64 - 2;
  }

  const Tensor together = tokenizer.embed(batch);

  for (std::size_t picture = 0; picture < 40; ++picture) {
    const Tensor alone = tokenizer.embed(batch.rows_copy(picture * 16, picture * 16 + 16));
    CHECK(std::ranges::equal(alone.bytes(), together.rows_copy(picture * 17, picture * 17 + 17).bytes()));
  }
}

TEST_CASE("image tokenizer: without class token and positions, tokens are the projected patches") {
  Part part = golden_part("hugging_face");
  part.tensors.erase("cls");
  part.tensors.erase("positions");
  const ImageTokenizer tokenizer(part, {16, 16}, kClip);
  CHECK(tokenizer.prefix() == 0);
  CHECK_FALSE(tokenizer.has_positions());
  const Tensor tokens = tokenizer.embed(Tensor(DType::f32, {4, 192}));
  REQUIRE(tokens.shape() == Shape{4, 32});
  for (std::size_t i = 0; i < 32; ++i) CHECK(tokens.as<float>()[i] == part.at("patch.bias").as<float>()[i]);
}

TEST_CASE("image tokenizer: an initial one is made of its seed, keeps the picture's variance and tells places apart") {
  const Part part = initial_image_tokenizer(192, 16, kClip, {64, 96}, 3);
  CHECK(std::ranges::equal(part.at("patch.weight").bytes(),
                           initial_image_tokenizer(192, 16, kClip, {64, 96}, 3).at("patch.weight").bytes()));
  CHECK_FALSE(std::ranges::equal(part.at("patch.weight").bytes(),
                                 initial_image_tokenizer(192, 16, kClip, {64, 96}, 4).at("patch.weight").bytes()));
  CHECK(part.at("positions").shape() == Shape{25, 192});
  const ImageModel model = image_model_of(part);
  CHECK(model.width == 192);
  CHECK(model.patch == 16);
  CHECK(model.size == Size{64, 96});
  REQUIRE(model.normalization);
  CHECK(model.normalization->mean == kClip.mean);
  // Unit inputs give outputs of unit variance.
  double squares = 0;
  for (const float value : part.at("patch.weight").as<float>()) squares += static_cast<double>(value) * value;
  CHECK(squares / 192 == doctest::Approx(1).epsilon(0.02));
}

TEST_CASE("image tokenizer: a part that contradicts itself is refused with both numbers") {
  const auto refused = [](auto change, const char* message) {
    Part part = golden_part("open_clip");
    change(part);
    INFO(std::string(message));
    try {
      ImageTokenizer(part, {32, 32}, kClip);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find(message) != std::string::npos);
    }
  };
  refused([](Part& part) { part.tensors["cls"] = Tensor(DType::f32, {31}); }, "cls has the shape [31], expected [32]");
  refused(
      [](Part& part) {
        part.tensors["positions"] = Tensor(DType::f32, {17, 33});
      },
      "positions has the shape [17, 33]");
  refused(
      [](Part& part) {
        part.tensors["positions"] = Tensor(DType::f32, {1, 32});
      },
      "positions has the shape [1, 32]");
  refused([](Part& part) { part.tensors["positions"] = Tensor(DType::f32, {18, 32}); }, "image_size is [32,32]");
  refused(
      [](Part& part) {
        part.tensors["patch.weight"] = Tensor(DType::f32, {32, 192});
      },
      "patch.weight has the shape [32, 192]");
  refused([](Part& part) { part.tensors["pre_norm.bias"] = Tensor(DType::f32, {3}); },
          "pre_norm.bias has the shape [3]");
  refused([](Part& part) { part.tensors.erase("patch.weight"); }, "patch.weight");
  refused([](Part& part) { part.config["image_size"] = "large"; }, "image_size");
  refused([](Part& part) { part.config["mean"] = {0.5, 0.5}; }, "expected 3 numbers");
  refused([](Part& part) { part.config["std"] = {0.5, 0.5, 0}; }, "positive");
  refused([](Part& part) { part.config["position_resize"] = 5; }, "its position_resize is 5");
  refused([](Part& part) { part.config["position_resize"] = "linear"; }, "neither antialias nor plain");
  refused([](Part& part) { part.config["eps"] = "small"; }, "its eps is");
  refused([](Part& part) { part.tensors["cls"].as<float>()[3] = std::numeric_limits<float>::quiet_NaN(); },
          "cls holds NaN");
}
