// The table of each level, made in the source that is compiled for it. Private to kernels/.
#pragma once

#include <cstddef>

#include "kernels/training.h"

namespace mt {

const TrainingKernels& generic_training_kernels();
const TrainingKernels& avx2_training_kernels();
const TrainingKernels& avx512_training_kernels();

// Of all levels.
inline constexpr std::size_t kWidestLanes = 16, kWidestPanel = 48;

// Scores of one block of query rows: both matrices of them share the second-level cache with the keys and values.
inline constexpr std::size_t kGradientScores = 1 << 16, kFewestGradientRows = 32;

// Where AttentionGradientCall's scratch holds what, in floats.
struct AttentionGradientLayout {
  std::size_t padded;      // head_size in whole vectors
  std::size_t columns;     // tokens in whole panels
  std::size_t block_rows;  // queries of one block
  std::size_t keys, key_panels, value_panels, queries, douts, dkeys, dvalues, probabilities, dscores, dqueries, size;
};
// Static: each instruction set has a copy of its own.
static inline AttentionGradientLayout attention_gradient_layout(std::size_t tokens, std::size_t head_size,
                                                                std::size_t lanes, std::size_t panel) {
  AttentionGradientLayout at{};
  at.padded = (head_size + lanes - 1) / lanes * lanes;
  at.columns = (tokens + panel - 1) / panel * panel;
  const std::size_t most = kGradientScores / ((tokens + kWidestPanel - 1) / kWidestPanel * kWidestPanel);
  at.block_rows = most < kFewestGradientRows ? kFewestGradientRows : most;
  if (at.block_rows > tokens) at.block_rows = tokens;
  std::size_t end = 0;
  const auto take = [&end](std::size_t floats) {
    const std::size_t begin = end;
    end += (floats + kWidestLanes - 1) / kWidestLanes * kWidestLanes;
    return begin;
  };
  at.keys = take(tokens * at.padded);
  at.key_panels = take(at.columns * head_size);
  at.value_panels = take(at.columns * head_size);
  at.queries = take(tokens * at.padded);
  at.douts = take(tokens * at.padded);
  at.dkeys = take(tokens * at.padded);
  at.dvalues = take(tokens * at.padded);
  at.probabilities = take(at.block_rows * at.columns);
  at.dscores = take(at.block_rows * at.columns);
  at.dqueries = take(at.block_rows * at.padded);
  at.size = end;
  return at;
}

}  // namespace mt
