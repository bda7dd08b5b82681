// What cards can do, and how much of it the encoder reaches with tokens in memory.
#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "encoder/cuda/card_weights.h"
#include "encoder/cuda/cuda_encoder.h"
#include "encoder/cuda/library.h"
#include "encoder/random_model.h"
#include "sections.h"

namespace mt::bench {

namespace {

// GFLOP/s of a product large enough to fill any card.
double product_rate(const Settings& settings, cuda::Card& card, Precision precision) {
  constexpr std::size_t kRows = 16384, kInputs = 4096, kOutputs = 4096;
  const DType storage = cuda::storage_of(precision);
  const std::size_t number = size_of(storage);
  const std::size_t sizes[] = {kRows * kInputs * number, kOutputs * kInputs * number, kRows * kOutputs * number};
  void* memory[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    memory[i] = card.allocate(sizes[i]);
    // Random bits would hold NaN; zeros would save the card power and make it faster than it is.
    Tensor values(DType::f32, {sizes[i] / number});
    Random(1, i).fill_normal(values.as<float>(), 0, 1);
    if (storage != DType::f32) values = values.to(storage);
    card.upload(memory[i], values.data(), sizes[i]);
  }
  const auto queue = card.make_queue();
  cuda::Product product;
  product.x = memory[0];
  product.weight = memory[1];
  product.y = memory[2];
  product.rows = kRows;
  product.inputs = kInputs;
  product.outputs = kOutputs;
  product.numbers = precision;
  constexpr int kTogether = 20;
  const double seconds = seconds_of(settings, [&] {
    for (int i = 0; i < kTogether; ++i) queue->product(product);
    queue->wait();
  });
  for (void* part : memory) card.release(part);
  return kTogether * 2.0 * kRows * kInputs * kOutputs / seconds * 1e-9;
}

void measure_card_encoder(const Settings& settings, Table& table, const std::string& size, std::size_t tokens,
                          Precision precision, std::unique_ptr<cuda::Card> card, double limit) {
  const Model model = random_model(size, 1);
  std::vector<std::unique_ptr<cuda::Card>> cards;
  cards.push_back(std::move(card));
  const auto encoder = cuda::make_card_encoder(model.part("encoder"), std::move(cards), precision);
  const std::size_t samples = std::max<std::size_t>(1, encoder->usual_budget() / tokens);
  const std::size_t width = encoder->architecture().width;
  std::vector<std::int64_t> offsets;
  for (std::size_t i = 0; i <= samples; ++i) offsets.push_back(static_cast<std::int64_t>(i * tokens));
  Tensor batch(DType::f32, {samples * tokens, width});
  Random(1, 2).fill_normal(batch.as<float>(), 0, 1);
  const std::size_t lanes = encoder->concurrency();
  constexpr int kTogether = 8;
  const double seconds = seconds_of(settings, lanes, [&](std::size_t) {
    for (int i = 0; i < kTogether; ++i) encoder->encode(batch, offsets, {});
  });
  const double rate = static_cast<double>(samples * lanes) * kTogether / seconds;
  const double reached = rate * operations_of(encoder->architecture(), tokens) * 1e-9;
  table.add({fmt::format("card, encoder {}, {} tokens, from memory", size, tokens),
             fmt::format("{} batch {}", name_of(precision), samples), lanes, reached, "GFLOP/s", limit, reached / limit,
             fmt::format("{:.0f} samples/s", rate)});
}

}  // namespace

void measure_cards(const Settings& settings, Table& table) {
  try {
    cuda::Driver& driver = cuda::driver();
    fmt::print("{}, {}\n", driver.properties(0).name, driver.versions());
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::f16}) {
      auto card = driver.open(0);
      if (!card->has(precision)) continue;
      const double limit = product_rate(settings, *card, precision);
      table.add(
          {"card, products of 16384 x 4096 x 4096", std::string(name_of(precision)), 1, limit, "GFLOP/s", {}, {}, ""});
      for (const std::string& size : settings.sizes) {
        measure_card_encoder(settings, table, size, size == "b16" ? 197 : 257, precision, driver.open(0), limit);
      }
    }
  } catch (const Error& error) {
    fmt::print("cards: {}\n", error.what());
  }
}

}  // namespace mt::bench
