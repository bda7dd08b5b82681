#include "encoder/cuda/cuda_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <doctest/doctest.h>

#include "base/error.h"
#include "encoder/hashed.h"
#include "support/host_card.h"

using namespace mt;
using namespace mt::test;

namespace {

constexpr Size kSmall{2, 64, 2, 128};

#if defined(__SANITIZE_ADDRESS__)
constexpr const char* kNorms[] = {"before_pooling"};  // sanitizers make emulated cards several times slower
#else
constexpr const char* kNorms[] = {"before_pooling", "after_pooling", "none"};
#endif

Part small_encoder(std::size_t projection = 0) {
  Part part = hashed_encoder(kSmall);
  if (projection > 0) part.tensors["projection"] = hashed("projection", {kSmall.width, projection}, 0.2);
  return part;
}

std::unique_ptr<Encoder> on_host_cards(const Part& part, HostCards& cards, Precision precision = Precision::f32) {
  return cuda::make_card_encoder(part, host_cards(cards), precision);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest =
        std::max(largest, std::abs(static_cast<double>(a.as<float>()[i]) - static_cast<double>(b.as<float>()[i])));
  }
  return largest;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes().size()) == 0;
}

// Every way to ask for features.
std::vector<EncodeOptions> all_options() {
  std::vector<EncodeOptions> all;
  for (const Pooling pooling : {Pooling::cls, Pooling::mean, Pooling::max, Pooling::tokens, Pooling::eot}) {
    EncodeOptions options;
    options.pooling = pooling;
    all.push_back(options);
    options.projection = false;
    all.push_back(options);
    options.layers = 1;
    all.push_back(options);
    options.norm = true;
    all.push_back(options);
    options.layers = 0;
    all.push_back(options);
  }
  return all;
}

}  // namespace

TEST_CASE("cuda encoder: float32 agrees with the CPU for every pooling, norm and projection") {
  const auto batch = hashed_batch({5, 70, 2, 33}, kSmall.width);
  for (const char* norm : kNorms) {
    Part part = small_encoder(24);
    part.config["norm"] = norm;
    part.config["activation"] = norm[0] == 'n' ? "quick_gelu" : "gelu";
    ThreadPool pool(1);
    const auto cpu = make_cpu_encoder(part, pool);
    HostCards cards;
    const auto encoder = on_host_cards(part, cards);
    for (const EncodeOptions& options : all_options()) {
      CHECK(encoder->feature_width(options) == cpu->feature_width(options));
      const Tensor expected = cpu->encode(batch.tokens, batch.offsets, options);
      CHECK(largest_difference(encoder->encode(batch.tokens, batch.offsets, options), expected) < 2e-5);
    }
  }
}

TEST_CASE("cuda encoder: 16-bit precisions stay within their rounding of float32") {
  const Part part = small_encoder();
  const auto batch = hashed_batch({5, 70, 129}, kSmall.width);
  ThreadPool pool(1);
  EncodeOptions options;
  options.pooling = Pooling::mean;
  const Tensor expected = make_cpu_encoder(part, pool)->encode(batch.tokens, batch.offsets, options);
  HostCards cards;
  // Features are near 1 in size; a step of bfloat16 there is 2^-7, one of half precision 2^-10, and a handful of
  // roundings is averaged over the tokens.
  const double bf16 = largest_difference(
      on_host_cards(part, cards, Precision::bf16)->encode(batch.tokens, batch.offsets, options), expected);
  const double f16 = largest_difference(
      on_host_cards(part, cards, Precision::f16)->encode(batch.tokens, batch.offsets, options), expected);
  CHECK(bf16 < 0x1p-6);
  CHECK(f16 < 0x1p-9);
  CHECK(f16 < bf16);
  CHECK(bf16 > 1e-4);  // it is bfloat16
}

TEST_CASE("cuda encoder: a sample's bytes depend on neither batch mates, the row limit, recording nor the card") {
  const Part part = small_encoder();
  const auto batch = hashed_batch({5, 70, 2, 33, 64, 65}, kSmall.width);
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    HostCards cards, two;
    two.cards = 2;
    const auto encoder = on_host_cards(part, cards, precision), others = on_host_cards(part, two, precision);
    CHECK(encoder->concurrency() == 2);
    CHECK(others->concurrency() == 4);
    EncodeOptions options;
    options.pooling = Pooling::mean;
    // What was recorded before the buffers grew must not be replayed in the old ones.
    const auto short_one = hashed_batch({5}, kSmall.width);
    for (int again = 0; again < 5; ++again) encoder->encode(short_one.tokens, short_one.offsets, options);
    CHECK(cards.recorded == 2);
    const Tensor expected = encoder->encode(batch.tokens, batch.offsets, options);
    for (int again = 0; again < 5; ++again) {  // both lanes: first, recording, replaying
      CHECK(same_bytes(encoder->encode(batch.tokens, batch.offsets, options), expected));
      CHECK(same_bytes(others->encode(batch.tokens, batch.offsets, options), expected));
    }
    CHECK(cards.recorded == 4);
    CHECK(cards.replayed == 3 + 4);
    for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
      const auto begin = static_cast<std::size_t>(batch.offsets[i]),
                 end = static_cast<std::size_t>(batch.offsets[i + 1]);
      const Tensor alone =
          Tensor::of<float>({end - begin, kSmall.width},
                            batch.tokens.as<float>().subspan(begin * kSmall.width, (end - begin) * kSmall.width));
      const std::vector<std::int64_t> offsets = {0, static_cast<std::int64_t>(end - begin)};
      const Tensor features = encoder->encode(alone, offsets, options);
      CHECK(std::memcmp(features.data(), expected.row<float>(i).data(), features.bytes().size()) == 0);
    }
  }
}

TEST_CASE("cuda encoder: samples without features are the CPU's, with the same reasons") {
  const Part part = small_encoder();
  auto batch = hashed_batch({5, 1, 0, 7, 9, 3}, kSmall.width);
  batch.tokens.row<float>(7)[3] = NAN;                              // of sample 3
  for (float& value : batch.tokens.row<float>(14)) value *= 3e38F;  // of sample 4: overflows on the way
  ThreadPool pool(1);
  const auto cpu = make_cpu_encoder(part, pool);
  for (const Pooling pooling : {Pooling::cls, Pooling::mean, Pooling::tokens}) {
    EncodeOptions options;
    options.pooling = pooling;
    std::vector<FailedSample> expected_failed, failed;
    const Tensor expected = cpu->encode(batch.tokens, batch.offsets, options, &expected_failed);
    HostCards cards;
    const auto encoder = on_host_cards(part, cards);
    const Tensor features = encoder->encode(batch.tokens, batch.offsets, options, &failed);
    CHECK(largest_difference(features, expected) < 2e-5);
    REQUIRE(failed.size() == expected_failed.size());
    for (std::size_t i = 0; i < failed.size(); ++i) {
      CHECK(failed[i].sample == expected_failed[i].sample);
      CHECK(failed[i].reason == expected_failed[i].reason);
    }
    CHECK_THROWS_AS(encoder->encode(batch.tokens, batch.offsets, options), Error);
  }
  const std::vector<std::int64_t> none = {0, 0, 0};
  std::vector<FailedSample> failed;
  HostCards cards;
  CHECK(on_host_cards(part, cards)->encode(Tensor(DType::f32, {0, kSmall.width}), none, {}, &failed).rows() == 2);
  CHECK(failed.size() == 2);
}

TEST_CASE("cuda encoder: a card that is out of memory takes smaller batches, and leaves out what is too long") {
  const Part part = small_encoder();
  const auto batch = hashed_batch({150, 140, 130, 150, 700, 10}, kSmall.width);
  const EncodeOptions options;
  HostCards large;
  const Tensor expected = on_host_cards(part, large)->encode(batch.tokens, batch.offsets, options);
  CHECK(large.refused == 0);

  HostCards small;
  std::size_t weights = 0;
  for (const auto& [name, tensor] : part.tensors) weights += tensor.bytes().size();
  small.memory = weights + 1'100'000;  // 640 rows of activations in one lane
  const auto encoder = on_host_cards(part, small);
  CHECK(encoder->usual_budget() < cuda::kMostCardTokens);
  std::vector<FailedSample> failed;
  const Tensor features = encoder->encode(batch.tokens, batch.offsets, options, &failed);
  CHECK(small.refused > 0);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].sample == 4);
  CHECK(failed[0].reason == "its 700 tokens do not fit the card's memory");
  for (const std::size_t sample : {0, 1, 2, 3, 5}) {
    CHECK(std::ranges::equal(features.row<float>(sample), expected.row<float>(sample)));
  }

  HostCards tiny;
  tiny.memory = weights / 2;
  CHECK_THROWS_WITH_AS(on_host_cards(part, tiny), doctest::Contains("does not fit the memory of host"), Error);
  CHECK(tiny.blocks == 0);
}

TEST_CASE("cuda encoder: a lane whose memory another has taken gets it in its turn") {
  const Part part = small_encoder();
  const auto batch = hashed_batch({150, 140, 130, 150, 10}, kSmall.width);
  HostCards large;
  const Tensor expected = on_host_cards(part, large)->encode(batch.tokens, batch.offsets, {});

  HostCards small;
  small.memory = 1'100'000;  // beside the weights; the first lane takes nearly all of it
  for (const auto& [name, tensor] : part.tensors) small.memory += tensor.bytes().size();
  const auto encoder = on_host_cards(part, small);
  for (int again = 0; again < 8; ++again) {
    std::vector<FailedSample> failed;
    const Tensor features = encoder->encode(batch.tokens, batch.offsets, {}, &failed);
    CHECK(failed.empty());
    CHECK(same_bytes(features, expected));
  }
  const std::size_t refused = small.refused;
  CHECK(refused > 0);
  for (int again = 0; again < 4; ++again) encoder->encode(batch.tokens, batch.offsets, {});
  CHECK(small.refused == refused);  // the lanes share by now
}

TEST_CASE("cuda encoder: a card lost at any call is one error; nothing leaks and nothing hangs") {
  constexpr Size kOneBlock{1, 64, 2, 64};
  const Part part = hashed_encoder(kOneBlock);
  const auto batch = hashed_batch({5, 9, 3}, kOneBlock.width);
  EncodeOptions options;
  options.pooling = Pooling::mean;
  std::int64_t calls = 0;
  for (std::int64_t fail_at = -1; fail_at < calls || calls == 0; ++fail_at) {
    HostCards cards;
    cards.fail_at = fail_at;
    const auto whole_run = [&] {
      const auto encoder = on_host_cards(part, cards);
      for (int again = 0; again < 5; ++again) encoder->encode(batch.tokens, batch.offsets, options);
    };
    if (fail_at < 0) {
      whole_run();
      calls = cards.calls;
      CHECK(calls > 80);
    } else {
      CHECK_THROWS_WITH_AS(whole_run(), "cuda:0 (host): the card was lost (run again with --resume)", Error);
    }
    CHECK(cards.blocks == 0);
  }
}

TEST_CASE("cuda encoder: what cards cannot do is refused") {
  HostCards cards;
  const auto host = host_cards(cards);
  CHECK(cuda::card_precision(Precision::bf16, *host[0]) == Precision::bf16);
  CHECK_THROWS_WITH_AS(cuda::card_precision(Precision::int8, *host[0]), doctest::Contains("f32, bf16 or f16"), Error);
  cards.old_card = true;
  CHECK(cuda::card_precision(Precision::bf16, *host[0]) == Precision::f32);
  CHECK(cuda::card_precision(Precision::f16, *host[0]) == Precision::f16);

  constexpr Size kOddHeads{1, 96, 2, 96};
  CHECK_THROWS_WITH_AS(on_host_cards(hashed_encoder(kOddHeads), cards), doctest::Contains("heads are 48 wide"), Error);
  constexpr Size kOddMlp{1, 64, 2, 100};
  CHECK_THROWS_WITH_AS(on_host_cards(hashed_encoder(kOddMlp), cards), doctest::Contains("MLP is 100 wide"), Error);
  const auto batch = hashed_batch({5}, kSmall.width);
  EncodeOptions merging;
  merging.merge = 2;
  CHECK_THROWS_WITH_AS(on_host_cards(small_encoder(), cards)->encode(batch.tokens, batch.offsets, merging),
                       doctest::Contains("cards do not merge tokens"), Error);
}
