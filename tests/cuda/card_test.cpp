// On a real card, where there is one: the executor against the CPU's. Without a card each test says so and ctest counts
// the program as skipped.
#include <cmath>
#include <cstring>
#include <optional>

#include <doctest/doctest.h>

#include "base/error.h"
#include "encoder/cuda/cuda_encoder.h"
#include "encoder/cuda/library.h"
#include "encoder/hashed.h"

using namespace mt;
using namespace mt::test;

namespace {

// The first card, or a message why there is none.
std::unique_ptr<cuda::Card> first_card() {
  try {
    return cuda::driver().open(0);
  } catch (const Error& error) {
    MESSAGE("no card: " << std::string(error.what()));
    return nullptr;
  }
}

std::unique_ptr<Encoder> card_encoder(const Part& part, Precision precision) {
  std::vector<std::unique_ptr<cuda::Card>> cards;
  cards.push_back(first_card());
  return cuda::make_card_encoder(part, std::move(cards), precision);
}

// |a - b| / |b|
double relative_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double differences = 0, squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a.as<float>()[i]), y = static_cast<double>(b.as<float>()[i]);
    differences += (x - y) * (x - y);
    squares += y * y;
  }
  return std::sqrt(differences / squares);
}

// Blocks of the size on sequences of 1 to `longest` tokens: every token's output against the CPU's in float32.
void check_parity(const Size& size, std::size_t longest) {
  const auto card = first_card();
  if (!card) return;
  const Part part = hashed_encoder(size);
  const auto batch = hashed_batch({1, 2, 63, 64, 65, 197, 257, longest}, size.width);
  ThreadPool pool(thread_count(0));
  EncodeOptions options;
  options.pooling = Pooling::tokens;
  options.prefix = 0;
  const Tensor expected = make_cpu_encoder(part, pool)->encode(batch.tokens, batch.offsets, options);
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::f16}) {
    if (!card->has(precision)) continue;
    const Tensor features = card_encoder(part, precision)->encode(batch.tokens, batch.offsets, options);
    const double difference = relative_difference(features, expected);
    MESSAGE(name_of(precision) << ": relative difference " << difference);
    // float32: rounding over all blocks stays near 2e-6. 16 bits: each operand is rounded to 2^-9 or 2^-12 of its size,
    // which the blocks add up as a random walk (the CPU's bfloat16: 3e-3 for B16, 5e-3 for L14).
    CHECK(difference <= (precision == Precision::f32 ? 2e-5 : precision == Precision::bf16 ? 2e-2 : 3e-3));
  }
}

}  // namespace

TEST_CASE("card: B16 agrees with the CPU for 1 to 4096 tokens, in every precision") { check_parity(kB16, 4096); }

TEST_CASE("card: L14 agrees with the CPU for 1 to 1212 tokens, in every precision") { check_parity(kL14, 1212); }

TEST_CASE("card: a sample's bytes depend on neither batch mates nor repetition, in every precision") {
  const auto card = first_card();
  if (!card) return;
  const Part part = hashed_encoder(kB16);
  const auto batch = hashed_batch({197, 5, 300, 64, 1, 1212, 128, 197, 197, 197, 40, 700}, kB16.width);
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::f16}) {
    if (!card->has(precision)) continue;
    const auto encoder = card_encoder(part, precision);
    for (const Pooling pooling : {Pooling::cls, Pooling::mean, Pooling::max}) {
      EncodeOptions options;
      options.pooling = pooling;
      options.prefix = 0;
      const Tensor all = encoder->encode(batch.tokens, batch.offsets, options);
      for (int again = 0; again < 5; ++again) {  // both lanes: first, recorded, replayed
        const Tensor other = encoder->encode(batch.tokens, batch.offsets, options);
        CHECK(std::memcmp(all.data(), other.data(), all.bytes().size()) == 0);
      }
      for (std::size_t i = 0; i < all.rows(); ++i) {
        const auto begin = static_cast<std::size_t>(batch.offsets[i]),
                   length = static_cast<std::size_t>(batch.offsets[i + 1]) - begin;
        const Tensor tokens = Tensor::of<float>(
            {length, kB16.width}, batch.tokens.as<float>().subspan(begin * kB16.width, length * kB16.width));
        const std::vector<std::int64_t> offsets = {0, static_cast<std::int64_t>(length)};
        const Tensor alone = encoder->encode(tokens, offsets, options);
        CHECK(std::memcmp(alone.data(), all.row<float>(i).data(), alone.bytes().size()) == 0);
      }
    }
  }
}

TEST_CASE("card: a batch that does not fit its memory is cut, and the features stay the same") {
  const auto card = first_card();
  if (!card) return;
  const Part part = hashed_encoder(kTiny);
  const auto batch = hashed_batch(std::vector<std::size_t>(64, 197), kTiny.width);
  const Tensor expected = card_encoder(part, Precision::f32)->encode(batch.tokens, batch.offsets, {});
  // Takes all but some megabytes away.
  const auto encoder = card_encoder(part, Precision::f32);
  std::vector<void*> taken;
  for (std::size_t bytes = card->free_memory(); bytes > (std::size_t{8} << 20); bytes /= 2) {
    try {
      taken.push_back(card->allocate(bytes));
    } catch (const cuda::OutOfMemory&) {
      continue;
    }
  }
  const Tensor features = encoder->encode(batch.tokens, batch.offsets, {});
  for (void* memory : taken) card->release(memory);
  CHECK(std::memcmp(features.data(), expected.data(), features.bytes().size()) == 0);
}
