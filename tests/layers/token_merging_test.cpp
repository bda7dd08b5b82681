#include "layers/token_merging.h"

#include <doctest/doctest.h>

#include "encoder/hashed.h"
#include "kernels/isas.h"
#include "support/goldens.h"

using namespace mt;
using namespace mt::test;

TEST_CASE("token merging: the same matches as the published algorithm") {
  const auto expected = golden("encoder_merge");
  for (const Kernels* kernels : kernels_of_machine()) {
    for (const auto& match : expected["matches"]) {
      const std::size_t tokens = match["tokens"], prefix = match["prefix"];
      const Tensor metric = hashed(fmt::format("metric.{}", tokens), {tokens, 64}, 1.0);
      TokenMatcher matcher(*kernels);
      const Matching matching = matcher.match({metric.as<float>().data(), tokens, 64}, match["merges"], prefix);
      std::vector<Matching::Pair> pairs;
      for (const auto& pair : match["pairs"]) pairs.push_back({pair[0], pair[1]});
      CHECK(matching.pairs == pairs);
      std::vector<std::size_t> kept = match["unmerged"];  // the class token comes first among them
      for (std::size_t odd = 1; odd < tokens; odd += 2) kept.push_back(odd);
      CHECK(matching.kept == kept);
    }
  }
}

TEST_CASE("token merging: never more than half of the tokens, and never the prefix") {
  CHECK(possible_merges(197, 16, 1) == 16);
  CHECK(possible_merges(197, 500, 1) == 98);
  CHECK(possible_merges(2, 5, 1) == 0);
  CHECK(possible_merges(1, 5, 1) == 0);
  CHECK(possible_merges(1, 5, 2) == 0);
  for (const std::size_t prefix : {0, 1, 2, 3}) {
    for (std::size_t tokens = 1; tokens < 40; ++tokens) {
      const Tensor metric = hashed("metric", {tokens, 16}, 1.0);
      TokenMatcher matcher(kernels());
      const Matching matching = matcher.match({metric.as<float>().data(), tokens, 16}, 100, prefix);
      REQUIRE(matching.pairs.size() == possible_merges(tokens, 100, prefix));
      REQUIRE(matching.kept.size() == tokens - matching.pairs.size());
      for (const auto& pair : matching.pairs) {
        REQUIRE(pair.from >= prefix);
        REQUIRE(pair.into >= prefix);
      }
      for (std::size_t i = 0; i < std::min(prefix, tokens); ++i) REQUIRE(matching.kept[i] == i);
    }
  }
}

TEST_CASE("token merging: a merged token is the mean weighted by sizes, and sizes add up") {
  const Matching matching{{{2, 1}, {4, 1}}, {0, 1, 3}};
  const std::vector<float> x = {1, 2, 3, 4, 5}, sizes = {1, 2, 1, 1, 5};
  std::vector<float> merged(3), merged_sizes(3);
  merge_tokens(matching, {x.data(), 5, 1}, sizes.data(), {merged.data(), 3, 1}, merged_sizes.data());
  CHECK(merged_sizes == std::vector<float>{1, 8, 1});
  CHECK(merged == std::vector<float>{1, 4, 4});  // (2*2 + 3*1 + 5*5) / 8
}
