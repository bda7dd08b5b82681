#include <cstring>

#include <doctest/doctest.h>

#include "base/error.h"
#include "encoder/encoder.h"
#include "encoder/hashed.h"
#include "kernels/kernels.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "support/goldens.h"

using namespace mt;
using namespace mt::test;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kLongest = 2;  // sanitizers make the products many times slower
#else
constexpr std::size_t kLongest = 1212;
#endif

constexpr Precision kPrecisions[] = {Precision::f32, Precision::bf16, Precision::int8};

std::vector<std::size_t> lengths_up_to(const nlohmann::json& all, std::size_t longest) {
  std::vector<std::size_t> lengths;
  for (const std::size_t n : all) {
    if (n <= longest) lengths.push_back(n);
  }
  return lengths;
}

// Largest difference from the golden's samples of outputs laid end to end at offsets.
double largest_difference(const nlohmann::json& checks, const Tensor& outputs, std::span<const std::int64_t> offsets) {
  double largest = 0;
  for (const auto& check : checks) {
    const std::size_t sample = check[0], token = check[1], column = check[2];
    if (sample + 1 >= offsets.size()) continue;
    const double value = outputs.row<float>(static_cast<std::size_t>(offsets[sample]) + token)[column];
    largest = std::max(largest, std::abs(value - check[3].get<double>()));
  }
  return largest;
}

std::size_t parameters_of_blocks(const Part& part) {
  std::size_t count = 0;
  for (const auto& [name, tensor] : part.tensors) count += name.starts_with("blocks.") ? tensor.size() : 0;
  return count;
}

// parameters: of all blocks, as published.
void check_blocks(const std::string& name, const Size& size, std::size_t parameters) {
  const auto expected = golden("encoder_" + name);
  const auto batch = hashed_batch(lengths_up_to(expected["lengths"], kLongest), size.width);
  ThreadPool pool(2);
  const Part part = hashed_encoder(size);
  CHECK(parameters_of_blocks(part) == parameters);
  const auto encoder = make_cpu_encoder(part, pool);
  EncodeOptions options;
  options.pooling = Pooling::tokens;
  options.prefix = 0;
  const Tensor outputs = encoder->encode(batch.tokens, batch.offsets, options);
  const double difference = largest_difference(expected["checks"], outputs, batch.offsets);
  MESSAGE(name << ": largest difference " << difference);
  CHECK(difference <= 1e-4);  // float32 rounding over all blocks stays near 1e-5
}

// The features of one image by the whole tower: patches, CLS, positions, norm, blocks, norm, projection.
void check_tower(const std::string& name, Size size, const char* activation) {
  const auto expected = golden("encoder_" + name);
  Part part = hashed_encoder(size);
  part.config["activation"] = activation;
  part.tensors["projection"] =
      hashed("projection", {size.width, 512}, 1.4 / std::sqrt(static_cast<double>(size.width)));

  constexpr std::size_t kSide = 16, kGrid = 14, kPatch = 3 * kSide * kSide, kTokens = kGrid * kGrid + 1;
  const Tensor image = hashed("image", {2, 3, 224, 224}, 1.7);
  const Tensor kernel = hashed("patch.weight", {size.width, 3, kSide, kSide}, 1.4 / std::sqrt(768.0));
  const Tensor cls = hashed("cls", {size.width}, 0.5), positions = hashed("positions", {kTokens, size.width}, 0.5);
  const Tensor gain = hashed("pre_norm.weight", {size.width}, 0.2, 1),
               bias = hashed("pre_norm.bias", {size.width}, 0.05);
  const Linear patch(kernel.as<float>(), {}, kPatch, size.width, Finish::bias, kernels());
  const LayerNorm pre_norm{
      {gain.as<float>().begin(), gain.as<float>().end()}, {bias.as<float>().begin(), bias.as<float>().end()}, 1e-5f};

  Tensor tokens(DType::f32, {2 * kTokens, size.width});
  std::vector<float> patches(kGrid * kGrid * kPatch);
  for (std::size_t sample = 0; sample < 2; ++sample) {
    for (std::size_t p = 0; p < kGrid * kGrid; ++p) {
      for (std::size_t e = 0; e < kPatch; ++e) {
        const std::size_t channel = e / (kSide * kSide), y = p / kGrid * kSide + e / kSide % kSide,
                          x = p % kGrid * kSide + e % kSide;
        patches[p * kPatch + e] = image.as<float>()[((sample * 3 + channel) * 224 + y) * 224 + x];
      }
    }
    float* first = tokens.as<float>().data() + sample * kTokens * size.width;
    std::copy_n(cls.as<float>().data(), size.width, first);
    patch.forward(Rows<const float>(patches.data(), kGrid * kGrid, kPatch),
                  Rows<float>(first + size.width, kGrid * kGrid, size.width));
    for (std::size_t i = 0; i < kTokens * size.width; ++i) first[i] += positions.as<float>()[i];
  }
  const Rows<float> all(tokens.as<float>().data(), 2 * kTokens, size.width);
  pre_norm.forward(kernels(), all, all);

  ThreadPool pool(2);
  const auto encoder = make_cpu_encoder(part, pool);
  const std::vector<std::int64_t> offsets = {0, kTokens, 2 * kTokens}, rows = {0, 1, 2};
  const Tensor features = encoder->encode(tokens, offsets, {});
  REQUIRE(features.shape() == Shape{2, 512});
  const double difference = largest_difference(expected["checks"], features, rows);
  MESSAGE(name << ": largest difference " << difference);
  CHECK(difference <= 1e-4);
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes().size()) == 0;
}

}  // namespace

TEST_CASE("cpu encoder: B16 agrees with timm's blocks for lengths 1, 2, 197, 257 and 1212 in one batch") {
  check_blocks("b16", kB16, 85'054'464);
}

TEST_CASE("cpu encoder: L14 agrees with timm's blocks for lengths 1, 2, 197, 257 and 1212 in one batch" *
          doctest::skip(kLongest < 1212)) {
  check_blocks("l14", kL14, 302'309'376);
}

TEST_CASE("cpu encoder: a CLIP image tower agrees with open_clip" * doctest::skip(kLongest < 1212)) {
  check_tower("clip", kB16, "gelu");
}

TEST_CASE("cpu encoder: a CLIP image tower with QuickGELU agrees with open_clip") {
  check_tower("clip_quick", kTiny, "quick_gelu");
}

TEST_CASE("cpu encoder: a sample's bytes depend on neither batch mates nor threads, in every precision") {
  const Part part = hashed_encoder(kTiny);
  const std::vector<std::size_t> lengths = {3, 197, 40, 1, 1100, 65, 64, 130, 17};
  const auto batch = hashed_batch(lengths, kTiny.width);
  for (const Precision precision : kPrecisions) {
    if (cpu_precision(precision, architecture_of(part)) != precision) continue;
    for (const Pooling pooling : {Pooling::cls, Pooling::mean, Pooling::max, Pooling::tokens, Pooling::eot}) {
      EncodeOptions options;
      options.pooling = pooling;
      options.prefix = 0;
      ThreadPool one(1);
      const Tensor expected = make_cpu_encoder(part, one, precision)->encode(batch.tokens, batch.offsets, options);
      for (const std::size_t threads : {2, 3, 5}) {
        ThreadPool pool(threads);
        const auto encoder = make_cpu_encoder(part, pool, precision);
        CHECK(same_bytes(expected, encoder->encode(batch.tokens, batch.offsets, options)));
      }
      // Each sample by itself.
      ThreadPool pool(2);
      const auto encoder = make_cpu_encoder(part, pool, precision);
      std::size_t row = 0;
      for (std::size_t i = 0; i < lengths.size(); ++i) {
        const auto begin = static_cast<std::size_t>(batch.offsets[i]),
                   end = static_cast<std::size_t>(batch.offsets[i + 1]);
        const std::vector<std::int64_t> offsets = {0, static_cast<std::int64_t>(lengths[i])};
        const Tensor alone = encoder->encode(batch.tokens.rows_copy(begin, end), offsets, options);
        CHECK(same_bytes(alone, expected.rows_copy(row, row + alone.rows())));
        row += alone.rows();
      }
    }
  }
}

// Relative L2 distance of two results.
double relative_error(const Tensor& a, const Tensor& exact) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double e = static_cast<double>(exact.as<float>()[i]);
    error += std::pow(static_cast<double>(a.as<float>()[i]) - e, 2);
    size += e * e;
  }
  return std::sqrt(error / size);
}

TEST_CASE("cpu encoder: B16 in bfloat16 and int8 stays near float32" * doctest::skip(kLongest < 1212)) {
  const Part part = hashed_encoder(kB16);
  const auto batch = hashed_batch({197, 5}, kB16.width);
  ThreadPool pool(2);
  EncodeOptions options;
  options.pooling = Pooling::tokens;
  const Tensor exact = make_cpu_encoder(part, pool)->encode(batch.tokens, batch.offsets, options);
  for (const auto& [precision, bound] : {std::pair{Precision::bf16, 0.02}, std::pair{Precision::int8, 0.06}}) {
    if (cpu_precision(precision, architecture_of(part)) != precision) continue;
    const Tensor outputs = make_cpu_encoder(part, pool, precision)->encode(batch.tokens, batch.offsets, options);
    const double error = relative_error(outputs, exact);
    MESSAGE((precision == Precision::bf16 ? "bf16" : "int8") << ": relative error after 12 blocks " << error);
    CHECK(error < bound);  // 12 blocks of rounding to 8 bits, on weights with no outliers
    CHECK(error > 1e-4);   // it is another precision
  }
}

void check_failures(Precision precision) {
  const Part part = hashed_encoder(kTiny);
  ThreadPool pool(2);
  const auto encoder = make_cpu_encoder(part, pool, precision);
  auto batch = hashed_batch({5, 197, 0, 30, 1}, kTiny.width);
  EncodeOptions options;
  options.pooling = Pooling::mean;
  std::vector<FailedSample> failed;
  const Tensor healthy = encoder->encode(batch.tokens, batch.offsets, options, &failed);
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].sample == 2);
  CHECK(failed[0].reason == "it has no tokens");
  CHECK(failed[1].sample == 4);
  CHECK(failed[1].reason == "1 tokens, of which 1 are prefix: nothing to pool");

  for (const float poison : {std::nanf(""), INFINITY, -INFINITY}) {
    batch.tokens.row<float>(100)[17] = poison;
    failed.clear();
    const Tensor features = encoder->encode(batch.tokens, batch.offsets, options, &failed);
    REQUIRE(failed.size() == 3);
    CHECK(failed[0].sample == 1);
    CHECK(failed[0].reason == "its tokens hold NaN or Inf");
    for (const std::size_t other : {0, 3}) {
      CHECK(same_bytes(features.rows_copy(other, other + 1), healthy.rows_copy(other, other + 1)));
    }
    CHECK_THROWS_WITH_AS(encoder->encode(batch.tokens, batch.offsets, options), doctest::Contains("sample 1"), Error);
  }
}

TEST_CASE("cpu encoder: NaN, Inf and empty samples are named, their mates are not touched") {
  for (const Precision precision : kPrecisions) {
    if (has(kernels(), precision)) check_failures(precision);
  }
}

TEST_CASE("cpu encoder: token merging agrees with the published algorithm in every block") {
  const auto expected = golden("encoder_merge");
  const auto batch = hashed_batch(expected["lengths"], kTiny.width);
  const Part part = hashed_encoder(kTiny);
  const std::vector<std::int64_t> rows = {0, 1, 2, 3};
  for (int kind = 0; kind < 2; ++kind) {
    EncodeOptions options;
    options.merge = expected["merges"];
    options.pooling = kind == 0 ? Pooling::cls : Pooling::mean;
    nlohmann::json checks = nlohmann::json::array();
    for (const auto& check : expected["checks"]) {
      if (check[1] == kind) checks.push_back({check[0], 0, check[2], check[3]});
    }
    ThreadPool one(1);
    const Tensor features = make_cpu_encoder(part, one)->encode(batch.tokens, batch.offsets, options);
    CHECK(largest_difference(checks, features, rows) <= 1e-4);
    ThreadPool three(3);
    CHECK(same_bytes(features, make_cpu_encoder(part, three)->encode(batch.tokens, batch.offsets, options)));
    const auto alone = make_cpu_encoder(part, three)
                           ->encode(batch.tokens.rows_copy(197, 247), std::vector<std::int64_t>{0, 50}, options);
    CHECK(same_bytes(alone, features.rows_copy(1, 2)));
  }
  EncodeOptions options;
  options.merge = 4;
  options.pooling = Pooling::tokens;
  ThreadPool pool(1);
  CHECK_THROWS_AS(make_cpu_encoder(part, pool)->encode(batch.tokens, batch.offsets, options), Error);
}

TEST_CASE("cpu encoder: --layers stops early and leaves norm and projection out unless asked") {
  Part part = hashed_encoder(kTiny);
  part.tensors["projection"] = hashed("projection", {192, 64}, 0.1);
  ThreadPool pool(1);
  const auto encoder = make_cpu_encoder(part, pool);
  const auto batch = hashed_batch({7}, kTiny.width);
  EncodeOptions options;
  CHECK(encoder->feature_width(options) == 64);
  options.layers = 0;
  CHECK(encoder->feature_width(options) == 192);
  // No block at all: the first token itself.
  CHECK(same_bytes(encoder->encode(batch.tokens, batch.offsets, options), batch.tokens.rows_copy(0, 1)));
  options.norm = true;
  CHECK(encoder->feature_width(options) == 64);
  options.projection = false;
  CHECK(encoder->feature_width(options) == 192);
  options.layers = 4;
  CHECK_THROWS_AS(encoder->encode(batch.tokens, batch.offsets, options), Error);
}

TEST_CASE("cpu encoder: the norm before and after pooling differ for the mean and agree for cls") {
  Part part = hashed_encoder(kTiny);
  ThreadPool pool(1);
  const auto batch = hashed_batch({9}, kTiny.width);
  const auto encoded = [&](const char* norm, Pooling pooling) {
    part.config["norm"] = norm;
    EncodeOptions options;
    options.pooling = pooling;
    return make_cpu_encoder(part, pool)->encode(batch.tokens, batch.offsets, options);
  };
  CHECK(same_bytes(encoded("before_pooling", Pooling::cls), encoded("after_pooling", Pooling::cls)));
  CHECK_FALSE(same_bytes(encoded("before_pooling", Pooling::mean), encoded("after_pooling", Pooling::mean)));
}

TEST_CASE("cpu encoder: an impossible configuration is refused before anything is allocated") {
  const auto refuses = [](const char* key, const nlohmann::json& value) {
    Part part = hashed_encoder({1, 64, 2, 128});
    part.config[key] = value;
    ThreadPool pool(1);
    CHECK_THROWS_AS(make_cpu_encoder(part, pool), Error);
  };
  refuses("blocks", 2);
  refuses("blocks", -1);
  refuses("blocks", 1ll << 40);
  refuses("width", 65);
  refuses("heads", 3);
  refuses("heads", 0);
  refuses("mlp", 1 << 30);
  refuses("eps", 0);
  refuses("eps", "small");
  refuses("activation", "relu");
  refuses("norm", "sometimes");
}
