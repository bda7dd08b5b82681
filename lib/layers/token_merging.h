// Token merging as in Bolya et al., "Token Merging: Your ViT But Faster" (ICLR 2023, arXiv 2210.09461): pairs of
// similar tokens become one, whose size says how many it stands for.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "layers/rows.h"

namespace mt {

// Bipartite soft matching: tokens at even places are proposed to their most similar token at an odd place, and the best
// `merges` proposals are accepted. The first `prefix` tokens neither move nor receive.
struct Matching {
  struct Pair {
    std::size_t from, into;
    bool operator==(const Pair&) const = default;
  };
  std::vector<Pair> pairs;        // in order of similarity
  std::vector<std::size_t> kept;  // tokens that remain, in their new order: prefix, even places, odd places
};

// How many pairs of `tokens` tokens can be joined when `merges` are asked for: at most half of those behind the prefix.
std::size_t possible_merges(std::size_t tokens, std::size_t merges, std::size_t prefix);

class TokenMatcher {
 public:
  explicit TokenMatcher(const Kernels& kernels) : kernels_(&kernels) {}

  // metric: [tokens, dim], one row a token (the keys averaged over heads); similarity is the cosine. Deterministic:
  // ties go to the earlier token.
  Matching match(Rows<const float> metric, std::size_t merges, std::size_t prefix);

 private:
  const Kernels* kernels_;
  Aligned<float> even_, odd_, scores_, zeros_;
  Aligned<std::uint32_t> panels_;
};

// Each kept token becomes the mean of those that it stands for, weighted by size; sizes add up. x: [tokens, width] and
// sizes [tokens] are read, the first matching.kept.size() rows of merged and merged_sizes are overwritten.
void merge_tokens(const Matching& matching, Rows<const float> x, const float* sizes, Rows<float> merged,
                  float* merged_sizes);

}  // namespace mt
