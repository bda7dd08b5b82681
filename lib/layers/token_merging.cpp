#include "layers/token_merging.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace mt {

namespace {

constexpr std::size_t kScoreRows = 48;  // rows of similarities held at once

// Rows first, first + 2, ... scaled to length 1.
void copy_unit_rows(Rows<const float> x, std::size_t first, float* out) {
  for (std::size_t i = first; i < x.count; i += 2, out += x.width) {
    double squares = 0;
    for (std::size_t j = 0; j < x.width; ++j)
      squares += static_cast<double>(x.row(i)[j]) * static_cast<double>(x.row(i)[j]);
    const double inverse = squares > 0 ? 1 / std::sqrt(squares) : 0;
    for (std::size_t j = 0; j < x.width; ++j) out[j] = static_cast<float>(static_cast<double>(x.row(i)[j]) * inverse);
  }
}

struct Proposal {
  std::size_t from = 0, into = 0;
  float similarity = -std::numeric_limits<float>::infinity();
};

}  // namespace

std::size_t possible_merges(std::size_t tokens, std::size_t merges, std::size_t prefix) {
  return tokens <= prefix ? 0 : std::min(merges, (tokens - prefix) / 2);
}

Matching TokenMatcher::match(Rows<const float> metric, std::size_t merges, std::size_t prefix) {
  const std::size_t tokens = metric.count, dim = metric.width, evens = (tokens + 1) / 2, odds = tokens / 2;
  const std::size_t padded = panel_groups(*kernels_, 1, odds);
  copy_unit_rows(metric, 0, even_.reserve(evens * dim));
  copy_unit_rows(metric, 1, odd_.reserve(odds * dim));
  kernels_->pack_panels(reinterpret_cast<const Group*>(odd_.data()), dim, 0, odds, dim,
                        panels_.reserve(panel_groups(*kernels_, dim, odds)));
  std::fill_n(zeros_.reserve(padded), padded, 0.0f);
  scores_.reserve(kScoreRows * odds);

  std::vector<Proposal> proposals(evens);
  for (std::size_t first = 0; first < evens; first += kScoreRows) {
    ProductCall call;
    call.a = even_.data() + first * dim;
    call.a_stride = call.depth = dim;
    call.rows = std::min(kScoreRows, evens - first);
    call.columns = call.y_stride = odds;
    call.panels = panels_.data();
    call.bias = zeros_.data();
    call.y = scores_.data();
    kernels_->product_f32(call);
    for (std::size_t i = 0; i < call.rows; ++i) {
      Proposal& proposal = proposals[first + i];
      proposal.from = 2 * (first + i);
      if (proposal.from < prefix) continue;
      const float* row = scores_.data() + i * odds;
      for (std::size_t j = prefix / 2; j < odds; ++j) {  // odd places behind the prefix
        if (row[j] > proposal.similarity) proposal = {proposal.from, 2 * j + 1, row[j]};
      }
    }
  }
  std::stable_sort(proposals.begin(), proposals.end(),
                   [](const Proposal& a, const Proposal& b) { return a.similarity > b.similarity; });

  const std::size_t accepted = possible_merges(tokens, merges, prefix);
  Matching matching;
  std::vector<std::size_t> unmerged;
  for (std::size_t i = 0; i < evens; ++i) {
    const Proposal& p = proposals[i];
    const bool joins = i < accepted && p.similarity > -std::numeric_limits<float>::infinity();
    if (joins)
      matching.pairs.push_back({p.from, p.into});
    else if (p.from >= prefix)
      unmerged.push_back(p.from);
  }
  // The published code sorts the tokens that stay only where there is a class token.
  if (prefix > 0) std::sort(unmerged.begin(), unmerged.end());
  matching.kept.resize(prefix < tokens ? prefix : tokens);
  std::iota(matching.kept.begin(), matching.kept.end(), std::size_t{0});
  matching.kept.insert(matching.kept.end(), unmerged.begin(), unmerged.end());
  for (std::size_t j = 1; j < tokens; j += 2) {
    if (j >= prefix) matching.kept.push_back(j);
  }
  return matching;
}

void merge_tokens(const Matching& matching, Rows<const float> x, const float* sizes, Rows<float> merged,
                  float* merged_sizes) {
  std::vector<std::size_t> place(x.count);  // in the new order, of the tokens that remain
  for (std::size_t i = 0; i < matching.kept.size(); ++i) {
    const std::size_t token = matching.kept[i];
    place[token] = i;
    merged_sizes[i] = sizes[token];
    const float* row = x.row(token);
    float* out = merged.row(i);
    for (std::size_t j = 0; j < x.width; ++j) out[j] = row[j] * sizes[token];
  }
  for (const Matching::Pair& pair : matching.pairs) {
    const float* row = x.row(pair.from);
    float* out = merged.row(place[pair.into]);
    for (std::size_t j = 0; j < x.width; ++j) out[j] += row[j] * sizes[pair.from];
    merged_sizes[place[pair.into]] += sizes[pair.from];
  }
  for (std::size_t i = 0; i < matching.kept.size(); ++i) {
    if (merged_sizes[i] == 1) continue;
    float* out = merged.row(i);
    for (std::size_t j = 0; j < x.width; ++j) out[j] /= merged_sizes[i];
  }
}

}  // namespace mt
