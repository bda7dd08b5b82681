#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "tokenize/text/byte_pair.h"
#include "tokenize/text/text_embedding.h"
#include "tokenize/text/wordpiece.h"

using namespace mt;

namespace {

constexpr std::size_t kWords = 7, kTable = 4, kWidth = 6, kPlaces = 5;
constexpr double kNormEps = 1e-2, kPreNormEps = 1e-3;

const std::vector<std::int32_t> kIds = {1, 3, 3, 6, 2, 0}, kSegments = {0, 0, 1, 1, 0, 0};
const std::vector<std::int64_t> kOffsets = {0, 4, 4, 6};  // the second sequence is empty

// Sequences of ids as a batch of patches holds them.
struct Codes {
  Codes(std::vector<std::int32_t> ids, std::vector<std::int32_t> segments, std::vector<std::int64_t> starts)
      : codes(DType::i32, {ids.size(), 2}), patches(DType::f32, {ids.size(), 1}), offsets(std::move(starts)) {
    for (std::size_t t = 0; t < ids.size(); ++t) {
      codes.row<std::int32_t>(t)[0] = ids[t];
      codes.row<std::int32_t>(t)[1] = segments[t];
    }
  }
  PatchRows rows() const { return {patches, codes, none, none, offsets}; }

  Tensor codes, patches, none;
  std::vector<std::int64_t> offsets;
};
const Codes kCodes(kIds, kSegments, kOffsets);

Part whole_part() {
  Part part;
  part.config = {{"modality", "text"}, {"width", kWidth}, {"norm_eps", kNormEps}, {"eps", kPreNormEps}};
  const std::vector<std::pair<std::string, Shape>> shapes = {
      {"words", {kWords, kTable}},   {"positions", {kPlaces, kTable}},
      {"types", {2, kTable}},        {"norm.weight", {kTable}},
      {"norm.bias", {kTable}},       {"projection.weight", {kWidth, kTable}},
      {"projection.bias", {kWidth}}, {"cls", {kWidth}},
      {"pre_norm.weight", {kWidth}}, {"pre_norm.bias", {kWidth}}};
  for (const auto& [name, shape] : shapes) {
    part.tensors[name] = Tensor(DType::f32, shape);
    Random(4, stream_of(name)).fill_normal(part.tensors[name].as<float>(), 0, 1);
  }
  return part;
}

using Row = std::vector<double>;
using Values = std::map<std::string, Row>;

Values values_of(const Part& part) {
  Values values;
  for (const auto& [name, tensor] : part.tensors) {
    values[name] = {tensor.as<float>().begin(), tensor.as<float>().end()};
  }
  return values;
}

Row normed(const Row& x, const Row& gain, const Row& bias, double eps) {
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  Row y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = (x[i] - mean) / std::sqrt(variance + eps) * gain[i] + bias[i];
  return y;
}

// The formula at the head of text_embedding.h, word for word, in double precision.
Row embedded(const Values& v) {
  Row all;
  const auto put = [&](Row token) {
    if (v.contains("pre_norm.weight"))
      token = normed(token, v.at("pre_norm.weight"), v.at("pre_norm.bias"), kPreNormEps);
    all.insert(all.end(), token.begin(), token.end());
  };
  for (std::size_t s = 0; s + 1 < kOffsets.size(); ++s) {
    if (v.contains("cls")) put(v.at("cls"));
    for (auto t = static_cast<std::size_t>(kOffsets[s]); t < static_cast<std::size_t>(kOffsets[s + 1]); ++t) {
      Row e(kTable);
      for (std::size_t i = 0; i < kTable; ++i) {
        e[i] = v.at("words")[static_cast<std::size_t>(kIds[t]) * kTable + i];
        const std::size_t place = t - static_cast<std::size_t>(kOffsets[s]);
        if (v.contains("positions")) e[i] += v.at("positions")[place * kTable + i];
        if (v.contains("types")) e[i] += v.at("types")[static_cast<std::size_t>(kSegments[t]) * kTable + i];
      }
      if (v.contains("norm.weight")) e = normed(e, v.at("norm.weight"), v.at("norm.bias"), kNormEps);
      if (v.contains("projection.weight")) {
        Row y = v.at("projection.bias");
        for (std::size_t o = 0; o < kWidth; ++o) {
          for (std::size_t i = 0; i < kTable; ++i) y[o] += v.at("projection.weight")[o * kTable + i] * e[i];
        }
        e = y;
      }
      put(e);
    }
  }
  return all;
}

void check_against_formula(const Part& part) {
  TextEmbedding embedding(part);
  for (Parameter* parameter : embedding.parameters()) parameter->clear_gradient();
  const Tensor y = embedding.forward(kCodes.rows());
  Values values = values_of(part);
  const Row expected = embedded(values);
  REQUIRE(y.size() == expected.size());
  // float32 rounding of sums of a few terms of order 1
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(y.as<float>()[i] - expected[i]) < 1e-5);

  Tensor dy(DType::f32, y.shape());
  Random(5).fill_normal(dy.as<float>(), 0, 1);
  ThreadPool pool(2);
  embedding.backward(kCodes.rows(), dy, pool);
  const auto loss = [&] {
    const Row out = embedded(values);
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * std::as_const(dy).as<float>()[i];
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
      CHECK(std::abs(parameter->gradient.as<float>()[i] - slope) < 1e-4 * (1 + std::abs(slope)));
    }
  }
}

}  // namespace

TEST_CASE("text embedding: forward is the formula and backward its slope, with every part present") {
  check_against_formula(whole_part());
}

TEST_CASE("text embedding: forward and backward hold with parts left out") {
  Part bert = whole_part();
  for (const char* name : {"projection.weight", "projection.bias", "cls", "pre_norm.weight", "pre_norm.bias"}) {
    bert.tensors.erase(name);
  }
  check_against_formula(bert);
  Part clip = whole_part();
  for (const char* name : {"types", "norm.weight", "norm.bias", "pre_norm.weight", "pre_norm.bias"}) {
    clip.tensors.erase(name);
  }
  check_against_formula(clip);
  Part bare;
  bare.tensors["words"] = whole_part().at("words");
  check_against_formula(bare);
}

TEST_CASE("text embedding: a sequence gives the same bytes alone as among others") {
  const TextEmbedding embedding(whole_part());
  const Tensor all = embedding.forward(kCodes.rows());
  const std::vector<std::int32_t> ids(kIds.begin() + 4, kIds.end()), segments(kSegments.begin() + 4, kSegments.end());
  const Codes last(ids, segments, {0, 2});
  const Tensor alone = embedding.forward(last.rows());
  REQUIRE(all.rows() == 9);
  REQUIRE(alone.rows() == 3);
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(std::equal(alone.row<float>(t).begin(), alone.row<float>(t).end(), all.row<float>(6 + t).begin()));
  }
}

TEST_CASE("text embedding: ids, places and segments beyond their tables are refused before they are looked up") {
  const TextEmbedding embedding(whole_part());
  const auto refused = [&](const Codes& codes) {
    try {
      embedding.require(codes.rows(), 0);
    } catch (const Error&) {
      return true;
    }
    return false;
  };
  CHECK(!refused({{6, 0}, {1, 0}, {0, 2}}));
  CHECK(refused({{7}, {0}, {0, 1}}));
  CHECK(refused({{-1}, {0}, {0, 1}}));
  CHECK(refused({{0}, {2}, {0, 1}}));
  CHECK(refused({{0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}, {0, 6}}));
  CHECK(embedding.places() == kPlaces);
}

TEST_CASE("text embedding: parts whose shapes do not fit are refused by name") {
  const auto refused = [](const std::string& name, Tensor tensor) {
    Part part = whole_part();
    part.tensors[name] = std::move(tensor);
    try {
      const TextEmbedding embedding(part);
    } catch (const Error& error) {
      return std::string(error.what()).find(name.substr(0, name.find('.'))) != std::string::npos;
    }
    return false;
  };
  CHECK(refused("words", Tensor(DType::f32, {kWords})));
  CHECK(refused("positions", Tensor(DType::f32, {kPlaces, kTable + 1})));
  CHECK(refused("norm.bias", Tensor(DType::f32, {kTable + 1})));
  CHECK(refused("projection.bias", Tensor(DType::f32, {kWidth - 1})));
  CHECK(refused("cls", Tensor(DType::f32, {kWidth - 1})));
  CHECK(refused("types", Tensor::of<float>({1, kTable}, {0, 0, std::nanf(""), 0})));
  CHECK_THROWS_AS(TextEmbedding(Part{}), Error);
  Part part = whole_part();
  part.config["eps"] = "small";
  CHECK_THROWS_AS(TextEmbedding{part}, Error);
}

TEST_CASE("text embedding: an initial part makes tokenizer and embedding, the same for the same seed") {
  const auto initial = [](const TextTokenizer& tokenizer, std::uint64_t seed) {
    Part part;
    tokenizer.store(part);
    add_initial_text_embedding(part, 8, 16, seed);
    return part;
  };
  const WordPiece word_pieces({"[UNK]", "[CLS]", "[SEP]", "sea"}, true);
  const Part part = initial(word_pieces, 3);
  CHECK(digest_of(part) == digest_of(initial(word_pieces, 3)));
  CHECK(digest_of(part) != digest_of(initial(word_pieces, 4)));
  const auto embedding = token_embedding_of(part);
  CHECK(embedding->width() == 8);
  CHECK(embedding->prefix() == 0);  // [CLS] leads the patches
  CHECK(embedding->leading_patches() == 1);
  CHECK(text_tokenizer_of(part)->encode("sea", std::nullopt, 9).ids == std::vector<std::int32_t>{1, 3, 2});

  const TextEmbedding byte_pairs(initial(BytePair({"t h"}), 3));
  CHECK(byte_pairs.prefix() == 1);
  CHECK(byte_pairs.leading_patches() == 0);
  CHECK(byte_pairs.vocabulary_size() == 515);
  CHECK(byte_pairs.places() == 16);

  Part again = part;
  embedding->store(again);
  CHECK(digest_of(again) == digest_of(part));
}

TEST_CASE("text embedding: tables of a checkpoint get a projection to another width, and keep their numbers") {
  Part part;
  BytePair({"t h"}).store(part);
  part.tensors["words"] = Tensor(DType::f32, {515, 4});
  part.tensors["positions"] = Tensor(DType::f32, {5, 4});
  add_initial_text_embedding(part, 6, 77, 3);
  const TextEmbedding embedding(part);
  CHECK(embedding.width() == 6);
  CHECK(embedding.places() == 5);
  CHECK(part.at("words").columns() == 4);
  CHECK(part.at("projection.weight").shape() == Shape{6, 4});
}
