#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "tokenize/embedded_samples.h"
#include "tokenize/linear_embedding.h"

using namespace mt;

namespace {

constexpr std::size_t kPatch = 5, kWidth = 4;
constexpr double kNormEps = 1e-2, kPreNormEps = 1e-3;

using Row = std::vector<double>;
using Values = std::map<std::string, Row>;

Tensor random_tensor(Shape shape, std::string_view name) {
  Tensor tensor(DType::f32, std::move(shape));
  Random(7, stream_of(name)).fill_normal(tensor.as<float>(), 0, 1);
  return tensor;
}

// A grid of positions of 2 x 2 x 3; the first sample has 1 x 2 x 2, the second nothing, the third 2 x 1 x 1 patches.
struct Sequences {
  std::vector<std::int64_t> offsets = {0, 4, 4, 6};
  Tensor patches = random_tensor({6, kPatch}, "patches"), none;
  Tensor grid = Tensor::of<std::int32_t>({3, 3}, {1, 2, 2, 0, 1, 1, 2, 1, 1});
  PatchRows rows{patches, none, none, grid, offsets};
  std::vector<std::size_t> places = {0, 1, 3, 4, 0, 6};  // of each patch in the table's grid
};

Part whole_part() {
  Part part;
  part.config = {{"modality", "video"},  {"embedding", "linear"}, {"width", kWidth},
                 {"norm_eps", kNormEps}, {"eps", kPreNormEps},    {"position_grid", {2, 2, 3}}};
  const std::vector<std::pair<std::string, Shape>> shapes = {{"patch.weight", {kWidth, kPatch}},
                                                             {"patch.bias", {kWidth}},
                                                             {"norm.weight", {kWidth}},
                                                             {"norm.bias", {kWidth}},
                                                             {"cls", {2, kWidth}},
                                                             {"positions", {12 + 2, kWidth}},
                                                             {"pre_norm.weight", {kWidth}},
                                                             {"pre_norm.bias", {kWidth}}};
  for (const auto& [name, shape] : shapes) part.tensors[name] = random_tensor(shape, name);
  return part;
}

Row normed(const Row& x, const Row& gain, const Row& bias, double eps) {
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  Row y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = (x[i] - mean) / std::sqrt(variance + eps) * gain[i] + bias[i];
  return y;
}

// The formula at the head of linear_embedding.h and sequence_frame.h, word for word, in double precision.
Row embedded(const Values& v, const Sequences& in, bool sinusoid) {
  Row all;
  const std::size_t prefix = v.contains("cls") ? v.at("cls").size() / kWidth : 0;
  const auto put = [&](Row token, std::size_t place, double time) {
    for (std::size_t i = 0; i < kWidth; ++i) {
      if (v.contains("positions")) token[i] += v.at("positions")[place * kWidth + i];
      if (sinusoid && time >= 0) {
        const double angle = time / std::pow(10000.0, static_cast<double>(i / 2 * 2) / kWidth);
        token[i] += i % 2 == 0 ? std::sin(angle) : std::cos(angle);
      }
    }
    if (v.contains("pre_norm.weight"))
      token = normed(token, v.at("pre_norm.weight"), v.at("pre_norm.bias"), kPreNormEps);
    all.insert(all.end(), token.begin(), token.end());
  };
  for (std::size_t s = 0; s < 3; ++s) {
    for (std::size_t i = 0; i < prefix; ++i) {
      const auto first = v.at("cls").begin() + static_cast<std::ptrdiff_t>(i * kWidth);
      put(Row(first, first + kWidth), i, -1);
    }
    for (std::size_t t = in.rows.begin(s); t < in.rows.end(s); ++t) {
      Row y = v.contains("patch.bias") ? v.at("patch.bias") : Row(kWidth);
      for (std::size_t o = 0; o < kWidth; ++o) {
        for (std::size_t i = 0; i < kPatch; ++i) {
          y[o] += v.at("patch.weight")[o * kPatch + i] * static_cast<double>(in.patches.row<float>(t)[i]);
        }
      }
      if (v.contains("norm.weight")) y = normed(y, v.at("norm.weight"), v.at("norm.bias"), kNormEps);
      put(y, prefix + in.places[t], static_cast<double>(t - in.rows.begin(s)));
    }
  }
  return all;
}

void check_against_formula(const Part& part, bool sinusoid = false) {
  const Sequences in;
  LinearEmbedding embedding(part);
  for (Parameter* parameter : embedding.parameters()) parameter->clear_gradient();
  Values values;
  for (const auto& [name, tensor] : part.tensors) values[name] = {tensor.as<float>().begin(), tensor.as<float>().end()};
  const Row expected = embedded(values, in, sinusoid);
  const Tensor y = embedding.forward(in.rows);
  REQUIRE(y.size() == expected.size());
  // float32 rounding of sums of a few terms of order 1
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(y.as<float>()[i] - expected[i]) < 2e-5);

  const Tensor dy = random_tensor(y.shape(), "slope");
  ThreadPool pool(2);
  embedding.backward(in.rows, dy, pool);
  const auto loss = [&] {
    const Row out = embedded(values, in, sinusoid);
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * static_cast<double>(dy.as<float>()[i]);
    return sum;
  };
  REQUIRE(embedding.parameters().size() == part.tensors.size());
  for (const Parameter* parameter : embedding.parameters()) {
    CAPTURE(parameter->name);
    Row& at = values.at(parameter->name);
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double kept = at[i], step = 1e-5;
      at[i] = kept + step;
      const double above = loss();
      at[i] = kept - step;
      const double below = loss();
      at[i] = kept;
      const double slope = (above - below) / (2 * step);
      CHECK(std::abs(static_cast<double>(parameter->gradient.as<float>()[i]) - slope) < 2e-4 * (1 + std::abs(slope)));
    }
  }
}

}  // namespace

TEST_CASE("linear embedding: forward is the formula and backward its slope, with every part present") {
  check_against_formula(whole_part());
}

TEST_CASE("linear embedding: forward and backward hold with parts left out, and with sinusoids") {
  Part bare;
  bare.config = {{"modality", "imu"}, {"embedding", "linear"}};
  bare.tensors["patch.weight"] = whole_part().at("patch.weight");
  check_against_formula(bare);
  bare.tensors["cls"] = random_tensor({kWidth}, "cls");
  bare.config["positions"] = "sinusoid";
  check_against_formula(bare, true);
}

TEST_CASE("linear embedding: a sequence gives the same bytes alone as among others") {
  const Sequences in;
  const LinearEmbedding embedding(whole_part());
  const Tensor all = embedding.forward(in.rows);
  const Tensor patches = in.patches.rows_copy(4, 6), grid = in.grid.rows_copy(2, 3), none;
  const std::vector<std::int64_t> offsets = {0, 2};
  const Tensor alone = embedding.forward({patches, none, none, grid, offsets});
  REQUIRE(alone.rows() == 4);
  CHECK(std::ranges::equal(alone.as<float>(), all.rows_copy(all.rows() - 4, all.rows()).as<float>()));
}

TEST_CASE("linear embedding: what it cannot take is said") {
  const Sequences in;
  const LinearEmbedding embedding(whole_part());
  CHECK_NOTHROW(embedding.require(in.rows, 0));
  const Tensor grid = Tensor::of<std::int32_t>({3, 3}, {1, 1, 4, 0, 1, 1, 2, 1, 1});
  CHECK_THROWS_WITH_AS(embedding.require({in.patches, in.none, in.none, grid, in.offsets}, 0),
                       "a grid of 1 x 1 x 4 patches, the tokenizer has positions for 2 x 2 x 3 (make it shorter or "
                       "smaller)",
                       Error);
  const Tensor narrow(DType::f32, {6, 3});
  CHECK_THROWS_AS(embedding.require({narrow, in.none, in.none, in.grid, in.offsets}, 0), Error);

  Part plain = whole_part();
  plain.config.erase("position_grid");
  plain.tensors["positions"] = random_tensor({3 + 2, kWidth}, "positions");
  CHECK_THROWS_AS(LinearEmbedding(plain).require(in.rows, 0), Error);
  CHECK_NOTHROW(LinearEmbedding(plain).require(in.rows, 2));
  plain.tensors["patch.bias"] = Tensor(DType::f32, {kWidth + 1});
  CHECK_THROWS_AS(LinearEmbedding{plain}, Error);
  plain.config["embedding"] = "cubic";
  CHECK_THROWS_AS(token_embedding_of(plain), Error);
}

TEST_CASE("linear embedding: what it learned goes back into its part") {
  const Sequences in;
  Part part = whole_part();
  part.tensors["patch.weight"] = std::move(part.tensors["patch.weight"]).reshaped({kWidth, 1, kPatch});
  LinearEmbedding embedding(part);
  for (Parameter* parameter : embedding.parameters()) parameter->value.as<float>()[0] += 1;
  embedding.parameters_changed();
  const Tensor y = embedding.forward(in.rows);
  embedding.store(part);
  CHECK(part.at("patch.weight").shape() == Shape{kWidth, 1, kPatch});
  CHECK(std::ranges::equal(LinearEmbedding(part).forward(in.rows).as<float>(), y.as<float>()));
}

TEST_CASE("embedded batches: centers and labels of tokens follow their tokens, codes are gone") {
  const Sequences in;
  Batch batch;
  batch.rows = in.patches;
  batch.codes = Tensor(DType::i32, {6, 1});
  batch.grid = in.grid;
  batch.centers = Tensor::of<float>({6, 3}, {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6});
  batch.token_labels = {1, 2, 3, 4, 5, 6};
  batch.offsets = in.offsets;
  const Batch tokens = embed_batch(batch, LinearEmbedding(whole_part()));
  CHECK(tokens.offsets == std::vector<std::int64_t>{0, 6, 8, 12});
  CHECK(tokens.token_labels == std::vector<std::int32_t>{-1, -1, 1, 2, 3, 4, -1, -1, -1, -1, 5, 6});
  CHECK(std::isnan(tokens.centers.row<float>(1)[0]));
  CHECK(tokens.centers.row<float>(2)[0] == 1);
  CHECK(tokens.centers.row<float>(11)[2] == 6);
  CHECK(tokens.codes.empty());
  CHECK(tokens.rows.shape() == Shape{12, kWidth});
}
