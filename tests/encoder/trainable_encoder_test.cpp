#include "encoder/trainable_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "encoder/hashed.h"
#include "kernels/isa.h"
#include "support/goldens.h"
#include "support/gradients.h"
#include "support/plain_tower.h"

using namespace mt;
using namespace mt::test;

namespace {

constexpr Size kMini{2, 12, 3, 20};
const std::vector<std::size_t> kLengths = {5, 3, 7};

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes().size()) == 0;
}

// Random numbers in the shape of features: the gradient that comes back from a head.
Tensor slopes(const Shape& shape) { return hashed("slopes", shape, 1); }

// A small encoder with everything that one may have.
Part mini(const char* activation, const char* norm, Pooling pooling) {
  Part part = hashed_encoder(kMini);
  part.config["activation"] = activation;
  part.config["norm"] = norm;
  part.config["pooling"] = std::string(name_of(pooling));
  part.config["scale"] = 0.6;
  part.tensors["projection"] = hashed("projection", {kMini.width, 8}, 0.4);
  return part;
}

// sum of slopes * features of the plain encoder, whose part holds float64.
double plain_loss(const Part& part, const Tensor& tokens, const std::vector<std::int64_t>& offsets,
                  const Tensor& dfeatures) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    test::Rows rows;
    for (auto t = static_cast<std::size_t>(offsets[i]); t < static_cast<std::size_t>(offsets[i + 1]); ++t) {
      rows.emplace_back(tokens.row<double>(t).begin(), tokens.row<double>(t).end());
    }
    run_blocks(part, rows);
    const Row out = pooled(part, rows, 1);
    for (std::size_t j = 0; j < out.size(); ++j) sum += out[j] * static_cast<double>(dfeatures.row<float>(i)[j]);
  }
  return sum;
}

// The largest difference between a gradient and central differences over some elements of values, relative to the
// largest of those or to 1.
double difference_from_central(const Tensor& gradient, Tensor& values, const std::function<double()>& loss) {
  const std::size_t step = std::max<std::size_t>(1, values.size() / 23);
  double difference = 0, size = 1;
  for (std::size_t i = 0; i < values.size(); i += step) {
    const auto slope = central_differences(values.as<double>().subspan(i, 1), loss)[0];
    difference = std::max(difference, std::abs(static_cast<double>(gradient.as<float>()[i]) - slope));
    size = std::max(size, std::abs(slope));
  }
  return difference / size;
}

void check_gradients(const char* activation, const char* norm, Pooling pooling) {
  CAPTURE(activation);
  CAPTURE(norm);
  CAPTURE(name_of(pooling));
  Part part = mini(activation, norm, pooling);
  const auto batch = hashed_batch(kLengths, kMini.width);
  ThreadPool pool(2);
  EncoderTraining training;
  training.scope = EncoderTraining::Scope::all;
  TrainableEncoder encoder(part, training, pool);
  EncodeOptions options;
  options.pooling = pooling;
  const Tensor features = encoder.forward(batch.tokens, batch.offsets, options);
  const Tensor dfeatures = slopes(features.shape());
  const Tensor dtokens = encoder.backward(dfeatures);
  CHECK(encoder.parameters().size() == kMini.blocks * 12 + (std::string(norm) == "none" ? 1 : 3));

  for (auto& [name, tensor] : part.tensors) tensor = tensor.to(DType::f64);
  Tensor tokens = batch.tokens.to(DType::f64);
  const auto loss = [&] { return plain_loss(part, tokens, batch.offsets, dfeatures); };
  CHECK(difference_from_central(dtokens, tokens, loss) < 2e-5);  // float32 rounding through two blocks
  for (const Parameter* parameter : encoder.parameters()) {
    CAPTURE(parameter->name);
    CHECK(difference_from_central(parameter->gradient, part.tensors.at(parameter->name), loss) < 2e-5);
  }
}

// One gradient against its golden: a few elements and its length, relative to the largest sampled and to itself.
void check_golden(const nlohmann::json& expected, std::span<const float> gradient) {
  double squares = 0, largest = 0, difference = 0;
  for (const float value : gradient) squares += static_cast<double>(value) * static_cast<double>(value);
  for (const auto& sample : expected["samples"]) {
    const double value = sample[1];
    largest = std::max(largest, std::abs(value));
    difference = std::max(difference, std::abs(static_cast<double>(gradient[sample[0].get<std::size_t>()]) - value));
  }
  CHECK(difference < 1e-4 * largest);  // float32 rounding over all blocks, there and back, stays near 1e-5
  CHECK(std::sqrt(squares) == doctest::Approx(expected["norm"].get<double>()).epsilon(2e-5));
}

void check_against_autograd(const std::string& name, const Size& size) {
  const auto expected = golden("gradients_" + name);
  const auto batch = hashed_batch(expected["lengths"], size.width);
  ThreadPool pool(2);
  EncoderTraining training;
  if (expected["gradients"].contains("norm.weight")) training.scope = EncoderTraining::Scope::all;
  TrainableEncoder encoder(hashed_encoder(size), training, pool);
  EncodeOptions options;
  options.pooling = pooling_named(expected["pooling"].get<std::string>());
  const Tensor features = encoder.forward(batch.tokens, batch.offsets, options);
  const Tensor dtokens = encoder.backward(slopes(features.shape()));
  for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
    CAPTURE(i);
    const Tensor sample =
        dtokens.rows_copy(static_cast<std::size_t>(batch.offsets[i]), static_cast<std::size_t>(batch.offsets[i + 1]));
    check_golden(expected["gradients"]["tokens." + std::to_string(i)], sample.as<float>());
  }
  CHECK(encoder.parameters().size() == expected["gradients"].size() - expected["lengths"].size());
  for (const Parameter* parameter : encoder.parameters()) {
    CAPTURE(parameter->name);
    check_golden(expected["gradients"][parameter->name], parameter->gradient.as<float>());
  }
}

}  // namespace

TEST_CASE("trainable encoder: B16's gradient of its tokens agrees with PyTorch's autograd through timm's blocks") {
  check_against_autograd("b16", kB16);
}

TEST_CASE("trainable encoder: a small encoder's gradients of all parameters agree with PyTorch's autograd") {
  check_against_autograd("tiny", kTiny);
}

TEST_CASE("trainable encoder: gradients of tokens and of every parameter agree with central differences") {
  for (const Pooling pooling : {Pooling::cls, Pooling::mean, Pooling::max, Pooling::eot}) {
    for (const char* norm : {"none", "before_pooling", "after_pooling"}) check_gradients("gelu", norm, pooling);
  }
  check_gradients("quick_gelu", "before_pooling", Pooling::mean);
}

TEST_CASE("trainable encoder: features are those of the encoder, byte for byte, whatever is kept") {
  const Part part = hashed_encoder(kTiny);
  const auto batch = hashed_batch({3, 197, 40, 1100, 2, 65}, kTiny.width);
  ThreadPool pool(3);
  const auto frozen = make_cpu_encoder(part, pool);
  TrainableEncoder encoder(part, {}, pool);
  for (const Pooling pooling : {Pooling::cls, Pooling::mean, Pooling::max, Pooling::eot, Pooling::tokens}) {
    EncodeOptions options;
    options.pooling = pooling;
    if (pooling == Pooling::max) options.layers = 2;
    const Tensor expected = frozen->encode(batch.tokens, batch.offsets, options);
    CHECK(encoder.feature_width(options) == frozen->feature_width(options));
    const Tensor features = encoder.forward(batch.tokens, batch.offsets, options);
    CHECK(same_bytes(features, encoder.evaluate(batch.tokens, batch.offsets, options)));
    if (machine_isa() != Isa::generic) CHECK(same_bytes(features, expected));  // there oneDNN multiplies, and activates
    CHECK(relative_difference(features.as<float>(), expected.as<float>()) < 1e-5);
  }
}

TEST_CASE("trainable encoder: gradients are the same bytes for any number of threads, kept or computed again") {
  const Part part = hashed_encoder(kTiny);
  const auto batch = hashed_batch({3, 197, 40, 1100, 2, 65, 900, 300}, kTiny.width);
  std::map<std::string, Tensor> expected;
  using Recompute = EncoderTraining::Recompute;
  for (const auto& [threads, recompute] :
       {std::pair{1, Recompute::never}, {3, Recompute::always}, {2, Recompute::automatic}}) {
    ThreadPool pool(static_cast<std::size_t>(threads));
    EncoderTraining training;
    training.scope = EncoderTraining::Scope::all;
    training.recompute = recompute;
    training.memory = 20 << 20;  // some of it
    training.stochastic_depth = 0.4;
    TrainableEncoder encoder(part, training, pool);
    const Tensor features = encoder.forward(batch.tokens, batch.offsets, {}, 3);
    encoder.evaluate(batch.tokens.rows_copy(0, 3), std::vector<std::int64_t>{0, 3}, {});  // does not disturb
    std::map<std::string, Tensor> found = {{"features", features},
                                           {"tokens", encoder.backward(slopes(features.shape()))}};
    for (const Parameter* parameter : encoder.parameters()) found[parameter->name] = parameter->gradient;
    if (expected.empty()) expected = found;
    for (const auto& entry : expected) {
      CAPTURE(entry.first);
      CHECK(same_bytes(found.at(entry.first), entry.second));
    }
  }
}

TEST_CASE("trainable encoder: bfloat16 products give nearly the gradients of float32 ones, for any number of threads") {
  const Part part = hashed_encoder(kTiny);
  if (cpu_precision(Precision::bf16, architecture_of(part)) != Precision::bf16) return;
  const auto batch = hashed_batch({3, 197, 40}, kTiny.width);
  const auto gradients = [&](Precision precision, std::size_t threads) {
    ThreadPool pool(threads);
    EncoderTraining training;
    training.scope = EncoderTraining::Scope::all;
    training.precision = precision;
    TrainableEncoder encoder(part, training, pool);
    EncodeOptions options;
    options.pooling = Pooling::mean;
    const Tensor features = encoder.forward(batch.tokens, batch.offsets, options);
    std::vector<Tensor> all = {features, encoder.backward(slopes(features.shape()))};
    for (const Parameter* parameter : encoder.parameters()) {
      CHECK(parameter->value.dtype() == DType::f32);
      all.push_back(parameter->gradient);
    }
    return all;
  };
  const auto whole = gradients(Precision::f32, 1), rounded = gradients(Precision::bf16, 1),
             shared = gradients(Precision::bf16, 3);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bytes(rounded[i], shared[i]));
    double error = 0, size = 0;
    for (std::size_t j = 0; j < whole[i].size(); ++j) {
      const double exact = static_cast<double>(whole[i].as<float>()[j]);
      error += std::pow(static_cast<double>(rounded[i].as<float>()[j]) - exact, 2);
      size += exact * exact;
    }
    // 2^-9 a rounding, of weights and (where the processor multiplies pairs) of activations, through all blocks.
    CHECK(error < 4e-4 * size);
    CHECK((i > 1 || error > 1e-8 * size));  // it did round
  }
}

TEST_CASE("trainable encoder: the scope says what learns, and frozen parameters have no gradient") {
  const Part part = mini("gelu", "before_pooling", Pooling::cls);
  const auto batch = hashed_batch(kLengths, kMini.width);
  ThreadPool pool(2);
  const auto names_of = [&](const EncoderTraining& training) {
    TrainableEncoder encoder(part, training, pool);
    const Tensor features = encoder.forward(batch.tokens, batch.offsets, {});
    const Tensor dtokens = encoder.backward(slopes(features.shape()));
    CHECK(dtokens.empty() != training.token_gradients);
    std::vector<std::string> names;
    for (const Parameter* parameter : encoder.parameters()) {
      names.push_back(parameter->name);
      CHECK(std::ranges::any_of(parameter->gradient.as<float>(), [](float value) { return value != 0; }));
    }
    return names;
  };
  using Scope = EncoderTraining::Scope;
  EncoderTraining training;
  CHECK(names_of(training).empty());
  training.token_gradients = false;
  CHECK(names_of(training).empty());
  training.scope = Scope::norms;
  CHECK(names_of(training).size() == kMini.blocks * 4 + 2);
  training.scope = Scope::biases;
  training.blocks = BlockRange{1, 1};
  CHECK(names_of(training) == std::vector<std::string>{"blocks.1.norm1.bias", "blocks.1.attn.qkv.bias",
                                                       "blocks.1.attn.proj.bias", "blocks.1.norm2.bias",
                                                       "blocks.1.mlp.fc1.bias", "blocks.1.mlp.fc2.bias", "norm.bias"});
  training.blocks = BlockRange{0, 0};
  training.scope = Scope::all;
  CHECK(names_of(training).size() == 12);
  training.blocks = BlockRange{1, 2};
  CHECK_THROWS_AS(TrainableEncoder(part, training, pool), Error);
  training.blocks.reset();
  training.lora_rank = 2;
  CHECK_THROWS_AS(TrainableEncoder(part, training, pool), Error);
}

TEST_CASE("trainable encoder: gradients of some blocks are those of all, with and without going on to the tokens") {
  const Part part = mini("gelu", "before_pooling", Pooling::cls);
  const auto batch = hashed_batch(kLengths, kMini.width);
  ThreadPool pool(2);
  std::map<std::string, Tensor> expected;
  const auto run = [&](EncoderTraining training) {
    training.scope = EncoderTraining::Scope::all;
    TrainableEncoder encoder(part, training, pool);
    const Tensor features = encoder.forward(batch.tokens, batch.offsets, {});
    encoder.backward(slopes(features.shape()));
    for (const Parameter* parameter : encoder.parameters()) {
      if (!expected.contains(parameter->name)) expected[parameter->name] = parameter->gradient;
      CHECK(same_bytes(expected.at(parameter->name), parameter->gradient));
    }
  };
  run({});
  EncoderTraining last;
  last.blocks = BlockRange{1, 1};
  run(last);
  last.token_gradients = false;
  run(last);
}

TEST_CASE("trainable encoder: what was learned is used after parameters_changed, and stored") {
  Part part = mini("gelu", "before_pooling", Pooling::cls);
  const auto batch = hashed_batch(kLengths, kMini.width);
  ThreadPool pool(2);
  EncoderTraining training;
  for (const std::size_t rank : {0, 2}) {
    training.scope = rank == 0 ? EncoderTraining::Scope::all : EncoderTraining::Scope::norms;
    training.lora_rank = rank;
    TrainableEncoder encoder(part, training, pool);
    const Tensor before = encoder.forward(batch.tokens, batch.offsets, {});
    CHECK(same_bytes(before, make_cpu_encoder(part, pool)->encode(batch.tokens, batch.offsets, {})) ==
          (machine_isa() != Isa::generic));
    encoder.backward(slopes(before.shape()));
    for (Parameter* parameter : encoder.parameters()) {
      const auto values = parameter->value.as<float>();
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += 0.1F * std::sin(static_cast<float>(i));
    }
    encoder.parameters_changed();
    const Tensor after = encoder.evaluate(batch.tokens, batch.offsets, {});
    CHECK_FALSE(same_bytes(before, after));
    Part learned = part;
    encoder.store(learned);
    CHECK(learned.tensors.size() == part.tensors.size());
    CHECK(relative_difference(after.as<float>(),
                              make_cpu_encoder(learned, pool)->encode(batch.tokens, batch.offsets, {}).as<float>()) <
          1e-5);
    const bool frozen = same_bytes(learned.at("blocks.0.mlp.fc1.weight"), part.at("blocks.0.mlp.fc1.weight"));
    CHECK(frozen == (rank > 0));
    CHECK_FALSE(same_bytes(learned.at("blocks.0.attn.qkv.weight"), part.at("blocks.0.attn.qkv.weight")));
  }
}

TEST_CASE("trainable encoder: stochastic depth depends on seed, step and sample, and not on batch mates") {
  const Part part = hashed_encoder({3, 24, 2, 40});
  const auto batch = hashed_batch({4, 4, 4, 4, 4, 4, 4, 4}, 24);
  ThreadPool pool(1);
  EncoderTraining training;
  training.stochastic_depth = 0.5;
  training.seed = 5;
  TrainableEncoder encoder(part, training, pool);
  const Tensor first = encoder.forward(batch.tokens, batch.offsets, {}, 1);
  CHECK(same_bytes(first, encoder.forward(batch.tokens, batch.offsets, {}, 1)));
  CHECK_FALSE(same_bytes(first, encoder.forward(batch.tokens, batch.offsets, {}, 2)));
  CHECK_FALSE(same_bytes(first, encoder.evaluate(batch.tokens, batch.offsets, {})));
  const std::vector<std::int64_t> two = {0, 4, 8};
  CHECK(same_bytes(first.rows_copy(0, 2), encoder.forward(batch.tokens.rows_copy(0, 8), two, {}, 1)));
  training.seed = 6;
  CHECK_FALSE(same_bytes(first, TrainableEncoder(part, training, pool).forward(batch.tokens, batch.offsets, {}, 1)));
  training.stochastic_depth = 1;
  CHECK_THROWS_AS(TrainableEncoder(part, training, pool), Error);
}

TEST_CASE("trainable encoder: wrong shapes, empty samples and numbers that are not finite are refused by name") {
  const Part part = hashed_encoder(kMini);
  ThreadPool pool(1);
  TrainableEncoder encoder(part, {}, pool);
  auto batch = hashed_batch({5, 3}, kMini.width);
  CHECK_THROWS_AS(encoder.backward(Tensor(DType::f32, {2, kMini.width})), std::logic_error);
  encoder.forward(batch.tokens, batch.offsets, {});
  CHECK_THROWS_AS(encoder.backward(Tensor(DType::f32, {3, kMini.width})), std::logic_error);
  const std::vector<std::int64_t> empty = {0, 8, 8};
  CHECK_THROWS_WITH_AS(encoder.forward(batch.tokens, empty, {}), "sample 1: it has no tokens", Error);
  EncodeOptions options;
  options.pooling = Pooling::mean;
  options.prefix = 3;
  CHECK_THROWS_WITH_AS(encoder.forward(batch.tokens, batch.offsets, options), doctest::Contains("sample 1"), Error);
  options.prefix = 1;
  options.merge = 2;
  CHECK_THROWS_AS(encoder.forward(batch.tokens, batch.offsets, options), Error);
  CHECK_THROWS_AS(encoder.forward(Tensor(DType::f32, {8, kMini.width + 1}), batch.offsets, {}), Error);
  batch.tokens.row<float>(6)[2] = NAN;
  CHECK_THROWS_WITH_AS(encoder.forward(batch.tokens, batch.offsets, {}), "sample 1: its features are not finite",
                       Error);
}
