#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/digest.h"
#include "base/error.h"
#include "support/temporary_directory.h"
#include "text_golden.h"
#include "tokenize/text/byte_pair.h"

using namespace mt;
using mt::test::text_golden;

namespace {

constexpr std::size_t kUnlimited = static_cast<std::size_t>(-1);
using Ids = std::vector<std::int32_t>;

// What gzip makes of the three lines in the test of files.
const std::string kPacked(
    "\037\213\010\000\000\000\000\000\002\003\123\112\052\110\215\057\316\314\055\310\111\215\057\313\117"
    "\116\114\212\067\064\113\065\323\053\251\050\121\056\113\055\052\316\314\317\263\122\060\320\063\342"
    "\052\121\310\340\052\311\120\110\265\321\057\267\343\002\000\036\102\243\372\065\000\000\000",
    73);

BytePair golden_tokenizer() { return BytePair(text_golden()["merges"].get<std::vector<std::string>>()); }

}  // namespace

TEST_CASE("byte pairs: ids equal the reference's") {
  const BytePair tokenizer = golden_tokenizer();
  for (const auto& golden : text_golden()["byte_texts"]) {
    CAPTURE(golden[0]);
    CHECK(tokenizer.encode(golden[0].get<std::string>(), std::nullopt, kUnlimited).ids == golden[1].get<Ids>());
  }
}

TEST_CASE("byte pairs: too long a text loses its end and keeps its end mark, as in the reference") {
  const BytePair tokenizer = golden_tokenizer();
  for (const auto& golden : text_golden()["byte_cut_to_9"]) {
    const TokenSequence sequence = tokenizer.encode(golden[0].get<std::string>(), std::nullopt, 9);
    CHECK(sequence.ids == golden[1].get<Ids>());
    CHECK(sequence.truncated);
  }
  CHECK(!tokenizer.encode("a", std::nullopt, 3).truncated);
  CHECK_THROWS_WITH_AS(tokenizer.encode("a", "b", 9),
                       "byte pairs: take one text, not a pair (leave the second column out, or give --vocab)", Error);
  CHECK_THROWS_AS(tokenizer.encode("a", std::nullopt, 1), Error);
}

TEST_CASE("byte pairs: every character of Unicode gives the reference's ids") {
  const BytePair tokenizer = golden_tokenizer();
  Sha256 digest;
  mt::test::for_each_character_text([&](const std::string& text) {
    std::string line;
    for (const std::int32_t id : tokenizer.encode(text, std::nullopt, kUnlimited).ids) {
      line += (line.empty() ? "" : " ") + std::to_string(id);
    }
    digest.update(line + "\n");
  });
  CHECK(hex(digest.finish()) == text_golden()["every_character"]["byte_pair_ids"]);
}

TEST_CASE("byte pairs: a word of a megabyte takes no quadratic time") {
  const TokenSequence sequence = golden_tokenizer().encode(std::string(1u << 20, 'a'), std::nullopt, kUnlimited);
  CHECK(sequence.ids.size() > 2);
}

TEST_CASE("byte pairs: merges are read plain and gzipped, without their version line") {
  const mt::test::TemporaryDirectory directory;
  const std::string text = "\"bpe_simple_vocab_16e6.txt#version: 0.2\nt h\nth e</w>\n";
  const auto plain = directory.path() / "merges.txt", packed = directory.path() / "merges.txt.gz";
  std::ofstream(plain, std::ios::binary) << text;
  std::ofstream(packed, std::ios::binary) << kPacked;
  const std::vector<std::string> expected = {"t h", "th e</w>"};
  CHECK(read_merges(plain) == expected);
  CHECK(read_merges(packed) == expected);
  // ids: 512 for the first merge, the marks at the end
  CHECK(BytePair(expected).encode("the th", std::nullopt, 9).ids == Ids{514, 513, 83, 327, 515});

  // and a gzip file that ends early is refused
  std::ofstream(packed, std::ios::binary) << kPacked.substr(0, kPacked.size() - 12);
  CHECK_THROWS_AS(read_merges(packed), Error);
  CHECK_THROWS_AS(read_merges(directory.path() / "none"), Error);
}

TEST_CASE("byte pairs: a file that is no list of merges is refused by line") {
  CHECK_THROWS_WITH_AS(BytePair({"t h", "the"}),
                       "merge 2: \"the\" is not two symbols (give a file of byte pair merges)", Error);
  CHECK_THROWS_WITH_AS(BytePair({"t h", "ab c"}),
                       "merge 2: \"ab c\" joins a symbol that no other merge makes (give the whole file of merges)",
                       Error);
  CHECK_THROWS_AS(BytePair({"a b c"}), Error);
  CHECK_THROWS_AS(BytePair({" a"}), Error);
}

TEST_CASE("byte pairs: a model part gives back the same tokenizer") {
  const BytePair tokenizer = golden_tokenizer();
  Part part;
  tokenizer.store(part);
  const auto restored = text_tokenizer_of(part);
  CHECK(restored->encode("it's the sea", std::nullopt, 20).ids ==
        tokenizer.encode("it's the sea", std::nullopt, 20).ids);
  CHECK(restored->vocabulary_size() == 514 + text_golden()["merges"].size());
  CHECK(restored->token(static_cast<std::size_t>(restored->end_token())) == "<|endoftext|>");
}
