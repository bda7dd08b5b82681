#include "encoder/chunk.h"

#include <algorithm>
#include <cmath>

#include "base/interrupt.h"

namespace mt {

std::vector<RowRange> pieces_of(std::size_t rows, std::size_t workers) {
  const std::size_t rounds = (rows + workers * kChunkTokens - 1) / (workers * kChunkTokens);
  const std::size_t count = std::min(rows, rounds * workers);
  std::vector<RowRange> pieces;
  for (std::size_t i = 0; i < count; ++i) pieces.push_back({rows * i / count, rows * (i + 1) / count});
  return pieces;
}

ChunkRun::ChunkRun(const std::vector<Block>& blocks, const Architecture& architecture, const Numbers& numbers,
                   ChunkState& state, std::vector<BlockWorkspace>& workspaces, std::size_t workers, ForEach for_each)
    : blocks_(blocks),
      architecture_(architecture),
      numbers_(numbers),
      state_(state),
      workspaces_(workspaces),
      workers_(workers),
      for_each_(std::move(for_each)) {}

Rows<float> ChunkRun::tokens(RowRange rows) const {
  return Rows<float>(state_.tokens.data(), state_.rows(), architecture_.width).rows(rows.begin, rows.end);
}

AnyRows ChunkRun::queries(RowRange rows) const {
  return AnyRows(state_.queries.data(), numbers_.narrow(), state_.rows(), architecture_.width)
      .rows(rows.begin, rows.end);
}

Rows<float> ChunkRun::metric(RowRange rows) const {
  if (state_.sizes.empty()) return {};
  const std::size_t head_size = architecture_.width / architecture_.heads;
  return Rows<float>(state_.metric.data(), state_.rows(), head_size).rows(rows.begin, rows.end);
}

void ChunkRun::reshape(std::size_t block) {
  state_.kv[block % 2].reshape(state_.offsets, architecture_.heads, architecture_.width / architecture_.heads,
                               numbers_.narrow(), *numbers_.kernels);
}

void ChunkRun::run(const float* tokens, std::span<const std::size_t> offsets, std::size_t layers,
                   const Merging& merging) {
  state_.offsets.assign(offsets.begin(), offsets.end());
  const std::size_t elements = state_.rows() * architecture_.width;
  std::copy_n(tokens, elements, state_.tokens.reserve(elements));
  state_.queries.reserve(elements * (numbers_.narrow() ? sizeof(std::uint16_t) : sizeof(float)));
  state_.sizes.clear();
  if (merging.pairs > 0) {
    state_.sizes.assign(state_.rows(), 1);
    state_.metric.reserve(state_.rows() * architecture_.width / architecture_.heads);
    state_.merged.reserve(elements);
  }
  for (std::size_t index = 0; index <= layers; ++index) {
    if (index < layers) reshape(index);
    step(index, layers);
    if (index < layers && merging.pairs > 0) merging_step(index, merging);
  }
}

// What comes between two barriers. Without merging: the rest of the block before, then the beginning of this one. With
// it, the rest is the MLP alone, since attention came before the merge.
void ChunkRun::step(std::size_t index, std::size_t layers) {
  const auto pieces = pieces_of(state_.rows(), workers_);
  for_each_(pieces.size(), [&](std::size_t piece, std::size_t worker) {
    throw_if_interrupted();
    const RowRange rows = pieces[piece];
    const Rows<float> x = tokens(rows);
    BlockWorkspace& workspace = workspaces_[worker];
    workspace.watch.start();
    if (index > 0) {
      const Block& before = blocks_[index - 1];
      if (state_.sizes.empty())
        before.attend(rows.begin, x, queries(rows), state_.kv[(index - 1) % 2], nullptr, workspace);
      before.feed_forward(x, workspace);
    }
    if (index < layers) {
      blocks_[index].before_attention(rows.begin, x, queries(rows), state_.kv[index % 2], metric(rows), workspace);
    }
  });
}

// Attention that knows how many tokens each key stands for, then the merge.
void ChunkRun::merging_step(std::size_t index, const Merging& merging) {
  state_.key_bias.resize(state_.sizes.size());
  for (std::size_t i = 0; i < state_.sizes.size(); ++i) state_.key_bias[i] = std::log2(state_.sizes[i]);
  const auto pieces = pieces_of(state_.rows(), workers_);
  for_each_(pieces.size(), [&](std::size_t piece, std::size_t worker) {
    const RowRange rows = pieces[piece];
    workspaces_[worker].watch.start();
    blocks_[index].attend(rows.begin, tokens(rows), queries(rows), state_.kv[index % 2], state_.key_bias.data(),
                          workspaces_[worker]);
  });
  merge_samples(merging);
}

void ChunkRun::merge_samples(const Merging& merging) {
  const std::size_t samples = state_.offsets.size() - 1, width = architecture_.width;
  const Rows<float> merged(state_.merged.data(), state_.rows(), width);
  state_.merged_sizes.resize(state_.sizes.size());
  std::vector<std::size_t> remaining(samples);
  for_each_(samples, [&](std::size_t sample, std::size_t worker) {
    workspaces_[worker].watch.start();
    const RowRange rows{state_.offsets[sample], state_.offsets[sample + 1]};
    TokenMatcher matcher(*numbers_.kernels);
    const Matching matching = matcher.match(metric(rows), merging.pairs, merging.prefix);
    merge_tokens(matching, tokens(rows), state_.sizes.data() + rows.begin, merged.rows(rows.begin, rows.end),
                 state_.merged_sizes.data() + rows.begin);
    remaining[sample] = matching.kept.size();
    workspaces_[worker].watch.lap(LayerKind::rest);
  });
  std::size_t end = 0;
  for (std::size_t sample = 0; sample < samples; ++sample) {
    const std::size_t begin = std::exchange(state_.offsets[sample], end), n = remaining[sample];
    std::copy_n(merged.row(begin), n * width, state_.tokens.data() + end * width);
    std::copy_n(state_.merged_sizes.data() + begin, n, state_.sizes.data() + end);
    end += n;
  }
  state_.offsets.back() = end;
  state_.sizes.resize(end);
}

}  // namespace mt
