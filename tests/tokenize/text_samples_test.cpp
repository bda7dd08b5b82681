#include "tokenize/text/text_samples.h"

#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include "base/error.h"
#include "support/temporary_directory.h"
#include "tokenize/embedded_samples.h"
#include "tokenize/text/text_embedding.h"
#include "tokenize/text/wordpiece.h"

using namespace mt;

namespace {

const std::vector<std::string> kVocabulary = {"[UNK]", "[CLS]", "[SEP]", "the", "sea", "is", "cold"};

struct Fixture {
  test::TemporaryDirectory directory;
  std::shared_ptr<const TextTokenizer> tokenizer = std::make_shared<WordPiece>(kVocabulary, true);
  std::unique_ptr<TextSource> source;

  Fixture() {
    std::ofstream(directory / "a.tsv") << "the sea\tis cold\tb\nThe sea is cold\tsea\ta\nsea\t\xFF\ta\n";
    TextSourceOptions options;
    options.inputs = {(directory / "a.tsv").string()};
    options.column = "1";
    options.pair_column = "2";
    options.label_column = "3";
    source = TextSource::open(options);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "text samples: ids and segments are codes, what is too long is cut and counted") {
  const TextSamples samples(*source, tokenizer, 7);
  CHECK(samples.schema().label_names == std::vector<std::string>{"a", "b"});
  CHECK(samples.schema().code_width == 2);
  CHECK(samples.schema().config["max_tokens"] == 7);
  Batch batch = samples.empty_batch();
  const Digest digest = samples.make(0, batch);
  CHECK(digest == samples.digest(0));
  CHECK(samples.truncated() == 0);
  samples.make(1, batch);
  CHECK(samples.truncated() == 1);
  // [CLS] the sea [SEP] is cold [SEP], then [CLS] the sea is [SEP] sea [SEP]: the longer text gives way
  const std::vector<std::int32_t> expected = {1, 0, 3, 0, 4, 0, 2, 0, 5, 1, 6, 1, 2, 1,
                                              1, 0, 3, 0, 4, 0, 5, 0, 2, 0, 4, 1, 2, 1};
  const auto codes = std::as_const(batch.codes).as<std::int32_t>();
  CHECK(std::vector<std::int32_t>(codes.begin(), codes.end()) == expected);
  CHECK(batch.rows.shape() == Shape{14, 1});
  CHECK_THROWS_AS(samples.make(2, batch), Error);
}

TEST_CASE_FIXTURE(Fixture, "text samples: embedded, the [CLS] that leads them is the file's prefix") {
  const TextSamples samples(*source, tokenizer, 7);
  Part part;
  tokenizer->store(part);
  add_initial_text_embedding(part, 8, 7, 1);
  const std::shared_ptr<const TokenEmbedding> embedding = token_embedding_of(part);
  const Schema schema = EmbeddedSamples::schema(samples.schema(), *embedding);
  CHECK(schema.prefix == 1);
  CHECK(schema.width == 8);
  CHECK(schema.code_width == 0);
  const EmbeddedSamples embedded(samples, embedding);
  Batch batch = embedded.empty_batch();
  batch.offsets = {0};
  embedded.make(0, batch);
  batch.offsets.push_back(7);
  embedded.finish(batch);
  CHECK(batch.rows.shape() == Shape{7, 8});
}
