#include "encoder/import_text.h"

#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "base/error.h"
#include "encoder/model_source.h"
#include "support/checkpoint_goldens.h"
#include "support/temporary_directory.h"
#include "tokenize/text/text_embedding.h"
#include "tokenize/text/text_tokenizer.h"

using namespace mt;

namespace {

struct Listener : Progress {
  std::string all;
  void note(std::string_view message) override { all += std::string(message) + "\n"; }
};

nlohmann::json expectations() {
  const auto path = test::checkpoint_golden("bert") / "expected.json";
  return parse_json(read_text_file(path, 1 << 20), path.string());
}

}  // namespace

TEST_CASE("import text: a BERT checkpoint gives the ids and the embeddings that transformers gives") {
  Listener listener;
  const Model model = load_model((test::checkpoint_golden("bert") / "model.safetensors").string(), {}, listener);
  const Part& part = model.part("tokenizer/text");
  CHECK(listener.all.find("uncased vocabulary") != std::string::npos);
  CHECK(listener.all.find("of its own blocks are left out") != std::string::npos);
  const auto tokenizer = text_tokenizer_of(part);
  const auto embedding = token_embedding_of(part);
  const nlohmann::json cases = expectations();
  for (const auto& golden : cases["cases"]) {
    const auto second = golden["second"].is_null() ? std::nullopt : std::optional(golden["second"].get<std::string>());
    const TokenSequence sequence = tokenizer->encode(golden["first"].get<std::string>(), second, 12);
    CHECK(sequence.ids == golden["ids"].get<std::vector<std::int32_t>>());
    CHECK(sequence.segments == golden["types"].get<std::vector<std::int32_t>>());
    Tensor codes(DType::i32, {sequence.ids.size(), 2});
    for (std::size_t t = 0; t < sequence.ids.size(); ++t) {
      codes.row<std::int32_t>(t)[0] = sequence.ids[t];
      codes.row<std::int32_t>(t)[1] = sequence.segments[t];
    }
    const Tensor patches(DType::f32, {sequence.ids.size(), 1}), none;
    const std::vector<std::int64_t> offsets = {0, static_cast<std::int64_t>(sequence.ids.size())};
    const Tensor tokens = embedding->forward({patches, codes, none, none, offsets});
    const auto expected = golden["tokens"].get<std::vector<float>>();
    REQUIRE(tokens.size() == expected.size());
    // the golden has six decimals
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(tokens.as<float>()[i] - expected[i]) < 3e-6);
  }
}

TEST_CASE("import text: without its vocabulary beside it a BERT is half a tokenizer, and says so") {
  const test::TemporaryDirectory directory;
  std::filesystem::copy_file(test::checkpoint_golden("bert") / "model.safetensors", directory / "bert.safetensors");
  Listener listener;
  const Model model = load_model((directory / "bert.safetensors").string(), {}, listener);
  CHECK(listener.all.find("will ask for --vocab") != std::string::npos);
  CHECK(!model.part("tokenizer/text").config.contains("embedding"));

  write_file(directory / "vocab.txt", std::string(400, '\n'));
  CHECK_THROWS_WITH_AS(load_model((directory / "bert.safetensors").string(), {}, listener),
                       doctest::Contains("has 400 tokens, the table of"), Error);
}

TEST_CASE("import text: a CLIP checkpoint's tables are those of its text tower") {
  Progress quiet;
  ModelOverrides overrides;
  for (const char* name : {"open_clip/open_clip_pytorch_model.bin", "hf_clip/model.safetensors"}) {
    const Model model = load_model(test::checkpoint_golden(name).string(), overrides, quiet);
    const Part tables = text_tables_of_tower(model.part("text"));
    CHECK(tables.at("words").shape() == Shape{16, 8});
    CHECK(tables.at("positions").shape() == Shape{5, 8});
  }
  CHECK_THROWS_AS(text_tables_of_tower(Part()), Error);
}
