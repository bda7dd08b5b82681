// Which frames are taken, tubelets against PyTorch's Conv3d, and kernels inflated from pictures.
#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
#include "support/goldens.h"
#include "tokenize/image_tokenizer.h"
#include "tokenize/linear_embedding.h"
#include "tokenize/video/video_samples.h"
#include "tokenize/video/video_settings.h"

using namespace mt;

namespace {

VideoTimes even_times(std::size_t frames, double rate) {
  VideoTimes times;
  for (std::size_t i = 0; i < frames; ++i) times.starts.push_back(static_cast<double>(i) / rate);
  times.duration = static_cast<double>(frames) / rate;
  return times;
}

VideoSettings small_settings() {
  VideoSettings settings;
  settings.frames = 4;
  settings.preparation.size = {16, 16};
  settings.normalization = {{0, 0, 0}, {1, 1, 1}};
  return settings;
}

using Frames = std::vector<std::size_t>;

}  // namespace

TEST_CASE("sampled frames: the middles of equal spans, whatever the rate") {
  for (const double rate : {1.0, 23.976, 25.0, 29.97, 60.0}) {
    CHECK(sampled_frames(even_times(16, rate), 0, -1, 16, 0, "") ==
          Frames{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
    CHECK(sampled_frames(even_times(32, rate), 0, -1, 4, 0, "") == Frames{4, 12, 20, 28});
    CHECK(sampled_frames(even_times(3, rate), 0, -1, 6, 0, "") == Frames{0, 0, 1, 1, 2, 2});
  }
  CHECK(sampled_frames(even_times(100, 10), 2, 4, 4, 0, "") == Frames{25, 35, 45, 55});
  CHECK(sampled_frames(even_times(100, 10), 2.03, 0.04, 2, 0, "") == Frames{20, 20});  // within one frame
}

TEST_CASE("sampled frames: a stride lies around the middle and ends with the last frame") {
  CHECK(sampled_frames(even_times(100, 25), 0, -1, 4, 4, "") == Frames{43, 47, 51, 55});
  CHECK(sampled_frames(even_times(6, 25), 0, -1, 4, 2, "") == Frames{0, 2, 4, 5});
}

TEST_CASE("sampled frames: a clock that jumps is followed, and the end is the end") {
  VideoTimes times;
  times.starts = {0, 0.1, 0.2, 0.3, 5};
  times.duration = 10;
  CHECK(sampled_frames(times, 0, -1, 4, 0, "") == Frames{3, 3, 4, 4});
  CHECK_THROWS_WITH_AS(sampled_frames(times, 10, -1, 4, 0, "x.mp4"), doctest::Contains("ends after 10.000 s"), Error);
}

TEST_CASE("tubelets: meet a kernel in PyTorch's order") {
  const auto expected = test::golden("video/clips")["tubelets"];
  const VideoSettings settings = small_settings();
  std::vector<Tensor> pictures;
  for (std::size_t f = 0; f < 4; ++f) {
    Tensor& picture = pictures.emplace_back(DType::u8, Shape{16, 16, 3});
    for (std::size_t i = 0; i < 16 * 16 * 3; ++i) {
      const std::size_t y = i / 48, x = i / 3 % 16, c = i % 3;
      picture.as<std::uint8_t>()[i] = static_cast<std::uint8_t>((13 * f + 7 * y + 3 * x + 5 * c) % 256);
    }
  }
  std::vector<float> rows(settings.tokens() * settings.patch_values());
  cut_tubelets(pictures, settings, rows);
  for (std::size_t unit = 0; unit < 2; ++unit) {
    for (std::size_t time = 0; time < 2; ++time) {
      double sum = 0;
      for (std::size_t i = 0; i < 1536; ++i) {
        const std::size_t c = i / 512, t = i / 256 % 2, y = i / 16 % 16, x = i % 16;
        sum += 0.001 * static_cast<double>((5 * c + 11 * t + 3 * y + 7 * x + 17 * unit) % 97) * rows[time * 1536 + i];
      }
      CHECK(sum == doctest::Approx(expected[unit * 2 + time].get<double>()).epsilon(1e-4));
    }
  }
}

TEST_CASE("video settings: 1568 tokens of 16 x 224 x 224, and what a model states is what it was made with") {
  VideoSettings settings;
  settings.normalization = {{0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}};
  CHECK(settings.tokens() == 1568);
  settings.stride = 4;
  settings.preparation.mode = ResizeMode::pad;
  CHECK(video_config(video_settings_of(video_config(settings))) == video_config(settings));
  for (const char* name : {"frames", "patch", "size", "std", "resize", "tubelet"}) {
    nlohmann::json broken = video_config(settings);
    broken[name] = -1;
    CHECK_THROWS_AS(video_settings_of(broken), Error);
  }
  settings.frames = 15;
  CHECK_THROWS_AS(require_whole_tubelets(settings), UsageError);
}

TEST_CASE("video embedding: a still picture's tubelets are the picture's tokens") {
  const Normalization constants{{0.4F, 0.5F, 0.6F}, {0.2F, 0.25F, 0.3F}};
  VideoSettings settings;
  settings.frames = 2;
  settings.preparation.size = {32, 32};
  settings.normalization = constants;
  const Part image = initial_image_tokenizer(24, 16, constants, {32, 32}, 5);
  Part part;
  part.config = video_config(settings);
  initialise_video_embedding(part, 24, VideoPositions::learned, 1);
  REQUIRE(inflate_image_tokenizer(part, image, VideoPositions::learned));
  CHECK(part.at("patch.weight").shape() == Shape{24, 3, 2, 16, 16});

  Tensor picture(DType::u8, {32, 32, 3});
  for (std::size_t i = 0; i < picture.size(); ++i)
    picture.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 37 % 251);
  Tensor patches(DType::f32, {4, 768}), rows(DType::f32, {4, 1536}), grid = Tensor::of<std::int32_t>({1, 3}, {1, 2, 2});
  cut_patches(picture, 16, constants, patches.as<float>());
  cut_tubelets({picture, picture}, settings, rows.as<float>());
  const Tensor tokens = ImageTokenizer(image, {32, 32}, constants).embed(patches);
  const LinearEmbedding embedding(part);
  const std::vector<std::int64_t> offsets = {0, 4};
  const Tensor none;
  const Tensor ours = embedding.forward({rows, none, none, grid, offsets});
  REQUIRE(ours.shape() == tokens.shape());
  // Time 0 adds the sines of 0: the same to every patch, and nothing to the class token.
  for (std::size_t i = 0; i < 24; ++i) {
    CHECK(ours.as<float>()[i] == doctest::Approx(tokens.as<float>()[i]));
    const float added = ours.row<float>(1)[i] - tokens.row<float>(1)[i];
    for (std::size_t row = 2; row < 5; ++row)
      CHECK(ours.row<float>(row)[i] - tokens.row<float>(row)[i] == doctest::Approx(added).epsilon(1e-3));
  }

  Part other;
  other.config = video_config(settings);
  other.config["patch"] = 8;
  initialise_video_embedding(other, 24, VideoPositions::sinusoid, 1);
  CHECK(!inflate_image_tokenizer(other, image, VideoPositions::sinusoid));
  CHECK(!other.has("cls"));
  CHECK(other.config["positions"] == "sinusoid");
}
