#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/digest.h"
#include "base/error.h"
#include "support/temporary_directory.h"
#include "text_golden.h"
#include "tokenize/text/wordpiece.h"
#include "tokenize/text/wordpiece_trainer.h"

using namespace mt;
using mt::test::text_golden;

namespace {

constexpr std::size_t kUnlimited = static_cast<std::size_t>(-1);
using Ids = std::vector<std::int32_t>;

std::vector<std::string> golden_vocabulary() { return text_golden()["vocabulary"].get<std::vector<std::string>>(); }

std::vector<std::string> words_of(std::string_view text, bool lower_case) {
  std::vector<std::string> words;
  for_each_word(text, lower_case, [&](std::string_view word) {
    words.emplace_back(word);
    return true;
  });
  return words;
}

std::string words_of_all_characters(bool lower_case) {
  Sha256 digest;
  mt::test::for_each_character_text([&](const std::string& text) {
    std::string line;
    for (const std::string& word : words_of(text, lower_case)) line += (line.empty() ? "" : " ") + word;
    digest.update(line + "\n");
  });
  return hex(digest.finish());
}

}  // namespace

TEST_CASE("word pieces: a text becomes the words that the reference makes of it") {
  for (const auto& golden : text_golden()["words"]) {
    CAPTURE(golden[0]);
    CHECK(words_of(golden[0].get<std::string>(), true) == golden[1].get<std::vector<std::string>>());
    CHECK(words_of(golden[0].get<std::string>(), false) == golden[2].get<std::vector<std::string>>());
  }
}

TEST_CASE("word pieces: every character of Unicode is cleaned and split as the reference does it") {
  CHECK(words_of_all_characters(true) == text_golden()["every_character"]["uncased_words"]);
  CHECK(words_of_all_characters(false) == text_golden()["every_character"]["cased_words"]);
}

TEST_CASE("word pieces: ids equal the reference's, cased and uncased") {
  const WordPiece uncased(golden_vocabulary(), true), cased(golden_vocabulary(), false);
  for (const auto& golden : text_golden()["texts"]) {
    CAPTURE(golden[0]);
    const auto text = golden[0].get<std::string>();
    CHECK(uncased.encode(text, std::nullopt, kUnlimited).ids == golden[1].get<Ids>());
    CHECK(cased.encode(text, std::nullopt, kUnlimited).ids == golden[2].get<Ids>());
  }
}

TEST_CASE("word pieces: pairs are cut longest first and carry segments as in the reference") {
  const WordPiece uncased(golden_vocabulary(), true);
  for (const auto& golden : text_golden()["pairs"]) {
    const auto limit = golden[0].get<std::size_t>();
    CAPTURE(limit);
    const auto first = golden[1].get<std::string>(), second = golden[2].get<std::string>();
    const TokenSequence sequence = uncased.encode(first, second, limit);
    CHECK(sequence.ids == golden[3].get<Ids>());
    CHECK(sequence.segments == golden[4].get<Ids>());
    CHECK(sequence.truncated == (uncased.encode(first, second, kUnlimited).ids.size() > limit));
  }
}

TEST_CASE("word pieces: a single text is cut at its end, and says so") {
  const WordPiece uncased(golden_vocabulary(), true);
  const TokenSequence whole = uncased.encode("the old ferry leaves", std::nullopt, kUnlimited);
  REQUIRE(!whole.truncated);
  for (std::size_t limit = 2; limit <= whole.ids.size() + 1; ++limit) {
    const TokenSequence cut = uncased.encode("the old ferry leaves", std::nullopt, limit);
    Ids expected(whole.ids.begin(), whole.ids.begin() + static_cast<std::ptrdiff_t>(std::min(limit, whole.ids.size())));
    expected.back() = uncased.end_token();
    CHECK(cut.ids == expected);
    CHECK(cut.truncated == (limit < whole.ids.size()));
  }
  CHECK_THROWS_WITH_AS(uncased.encode("the", std::nullopt, 1), "max tokens: is 1, the marks alone need 2 (give more)",
                       Error);
}

TEST_CASE("word pieces: a line of many megabytes costs no more than its kept tokens") {
  // given a text whose start fills the sequence, and one word of 8 MB
  const WordPiece uncased(golden_vocabulary(), true);
  std::string blanks_and_words;
  while (blanks_and_words.size() < (8u << 20)) blanks_and_words += "the sea ";
  // when / then
  CHECK(uncased.encode(blanks_and_words, std::nullopt, 64).ids.size() == 64);
  CHECK(uncased.encode(std::string(8u << 20, 'a'), std::nullopt, 64).ids.size() == 3);  // [UNK]
}

TEST_CASE("vocabulary: lines are tokens, and the three that every text needs must be there") {
  const mt::test::TemporaryDirectory directory;
  const auto path = directory.path() / "vocab.txt";
  std::ofstream(path, std::ios::binary) << "[UNK]\r\n[CLS]\n[SEP]\nthe\n##s";
  CHECK(read_vocabulary(path) == std::vector<std::string>{"[UNK]", "[CLS]", "[SEP]", "the", "##s"});
  CHECK(WordPiece(read_vocabulary(path), true).encode("thes the x", std::nullopt, 9).ids == Ids{1, 3, 4, 3, 0, 2});

  std::ofstream(path, std::ios::binary) << "[UNK]\n[CLS]\nthe\n";
  CHECK_THROWS_WITH_AS(
      WordPiece(read_vocabulary(path), true),
      "vocabulary: has 3 tokens, but none is [SEP] (give a BERT vocabulary with [UNK], [CLS] and [SEP])", Error);
  std::ofstream(path, std::ios::binary) << "[UNK]\n\xFF\n";
  CHECK_THROWS_AS(read_vocabulary(path), Error);
}

TEST_CASE("vocabulary: a model part gives back the same tokenizer") {
  const WordPiece uncased(golden_vocabulary(), true);
  Part part;
  uncased.store(part);
  const auto restored = text_tokenizer_of(part);
  CHECK(restored->vocabulary_size() == golden_vocabulary().size());
  CHECK(restored->encode("Unaffable!", "the sea", 20).ids == uncased.encode("Unaffable!", "the sea", 20).ids);

  part.config["tokenizer"]["kind"] = "morse";
  CHECK_THROWS_WITH_AS(text_tokenizer_of(part),
                       "tokenizer/text: has a tokenizer of the unknown kind \"morse\" (give --vocab or --merges)",
                       Error);
  CHECK_THROWS_AS(text_tokenizer_of(Part{}), Error);
  part.config["tokenizer"] = {{"kind", "wordpiece"}};
  CHECK_THROWS_AS(text_tokenizer_of(part), Error);
  part.config["tokenizer"]["lower_case"] = true;
  part.tensors["vocabulary"] = Tensor::of<float>({1}, {1.f});
  CHECK_THROWS_AS(text_tokenizer_of(part), Error);
}

TEST_CASE("vocabulary training: joins what the reference joins") {
  // given words with counts under which no two pairs are equally frequent
  WordPieceTraining options;
  options.vocabulary = text_golden()["trained"].size();
  WordPieceTrainer trainer(options);
  for (const auto& [word, count] : text_golden()["counted_words"].items()) {
    for (int i = 0; i < count.get<int>(); ++i) trainer.add(word);
  }
  // when
  std::vector<std::string> vocabulary = trainer.train();
  // then
  CHECK(std::vector<std::string>(vocabulary.end() - 4, vocabulary.end()) ==
        std::vector<std::string>{"##ug", "##un", "hug", "pun"});
  std::sort(vocabulary.begin(), vocabulary.end());
  CHECK(vocabulary == text_golden()["trained"].get<std::vector<std::string>>());
}

TEST_CASE("vocabulary training: the order of the texts does not matter") {
  WordPieceTrainer forth({200}), back({200});
  const auto& texts = text_golden()["texts"];
  for (std::size_t i = 0; i < texts.size(); ++i) {
    forth.add(texts[i][0].get<std::string>());
    back.add(texts[texts.size() - 1 - i][0].get<std::string>());
  }
  WordPieceTraining all;
  all.vocabulary = 5000;
  CHECK_THROWS_AS(forth.train(), Error);  // more characters than tokens
  WordPieceTrainer a(all), b(all);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    a.add(texts[i][0].get<std::string>());
    b.add(texts[texts.size() - 1 - i][0].get<std::string>());
  }
  CHECK(a.train() == b.train());
  CHECK_THROWS_WITH_AS(WordPieceTrainer({}).train(), "vocabulary: no text holds a single word (give a corpus)", Error);
}

TEST_CASE("vocabulary training: rare characters get no token, pairs seen once are not joined") {
  WordPieceTraining options;
  options.alphabet = 2;
  WordPieceTrainer trainer(options);
  trainer.add("aab aab baa z");
  // then a and b stay, z goes; ##a##b and a##a were seen twice
  const std::vector<std::string> vocabulary = trainer.train();
  CHECK(std::count(vocabulary.begin(), vocabulary.end(), "z") == 0);
  CHECK(std::count(vocabulary.begin(), vocabulary.end(), "aab") == 1);
  CHECK(std::count(vocabulary.begin(), vocabulary.end(), "baa") == 0);
}
