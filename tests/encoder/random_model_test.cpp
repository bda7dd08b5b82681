#include "encoder/random_model.h"

#include <chrono>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/random.h"
#include "encoder/encoder.h"
#include "encoder/model_source.h"

using namespace mt;

TEST_CASE("random model: the same size and seed give the same bytes, on every machine and for ever") {
  Progress progress;
  const Model model = load_model("random:tiny@3", {}, progress);
  ModelOverrides seeded;
  seeded.seed = 3;
  CHECK(digest_of(load_model("random:tiny", seeded, progress)) == digest_of(model));
  CHECK(digest_of(load_model("random:tiny@4", {}, progress)) != digest_of(model));
  const auto weight = model.part("encoder").at("blocks.0.attn.qkv.weight");
  CHECK(hex(sha256(weight.bytes())).substr(0, 16) == "a71b4ec2fd2689a2");
}

TEST_CASE("random model: every size is a whole model of its published shape") {
  Progress progress;
  for (const auto& [size, blocks, width, patch] :
       std::vector<std::tuple<std::string, std::size_t, std::size_t, std::size_t>>{
           {"tiny", 6, 192, 16}, {"small", 12, 384, 16}, {"b16", 12, 768, 16}}) {
    const Model model = load_model("random:" + size, {}, progress);
    const Architecture architecture = architecture_of(model.part("encoder"));
    CHECK(architecture.blocks == blocks);
    CHECK(architecture.width == width);
    CHECK(architecture.mlp == 4 * width);
    CHECK(architecture.heads == width / 64);
    const Part& tokenizer = model.part("tokenizer/image");
    CHECK(tokenizer.at("patch.weight").shape() == Shape{width, 3, patch, patch});
    CHECK(tokenizer.at("positions").shape() == Shape{(224 / patch) * (224 / patch) + 1, width});
  }
}

TEST_CASE("random model: other sizes and seeds are refused by name") {
  Progress progress;
  CHECK_THROWS_WITH_AS(load_model("random:huge", {}, progress), doctest::Contains("random:tiny, small, b16 and l14"),
                       Error);
  CHECK_THROWS_WITH_AS(load_model("random:tiny@-1", {}, progress), doctest::Contains("seed"), Error);
  CHECK_THROWS_WITH_AS(load_model("random:tiny@", {}, progress), doctest::Contains("seed"), Error);
}

TEST_CASE("random model: what tells inputs apart survives all blocks") {
  // given eight inputs whose patches differ, with the class token and the positions of the model
  Progress progress;
  const Model model = load_model("random:tiny", {}, progress);
  const Part& tokenizer = model.part("tokenizer/image");
  const Tensor& positions = tokenizer.at("positions");
  const std::size_t tokens = positions.rows(), width = positions.columns(), inputs = 8;
  Tensor all(DType::f32, {inputs * tokens, width});
  std::vector<std::int64_t> offsets = {0};
  for (std::size_t n = 0; n < inputs; ++n) {
    for (std::size_t t = 0; t < tokens; ++t) {
      const auto row = all.row<float>(n * tokens + t);
      if (t == 0) {
        std::ranges::copy(tokenizer.at("cls").as<float>(), row.begin());
      } else {
        Random(n, t).fill_normal(row, 0, 1);
      }
      for (std::size_t d = 0; d < width; ++d) row[d] += positions.row<float>(t)[d];
    }
    offsets.push_back(static_cast<std::int64_t>((n + 1) * tokens));
  }
  ThreadPool pool(2);
  const auto encoder = make_cpu_encoder(model.part("encoder"), pool);
  for (const Pooling pooling : {Pooling::cls, Pooling::mean}) {
    EncodeOptions options;
    options.pooling = pooling;
    const Tensor features = encoder->encode(all, offsets, options);
    // then any two differ by more than a hundredth of their length, which is above the rounding of bfloat16 (1/256)
    for (std::size_t a = 0; a < inputs; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        double difference = 0, length = 0;
        for (std::size_t d = 0; d < width; ++d) {
          const double x = features.row<float>(a)[d], y = features.row<float>(b)[d];
          difference += (x - y) * (x - y);
          length += x * x;
        }
        CHECK(std::sqrt(difference / length) > 0.01);
      }
    }
  }
}
