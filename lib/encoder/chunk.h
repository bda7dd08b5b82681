// Consecutive samples that go through the blocks together, by one worker or by all.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "encoder/block.h"
#include "layers/token_merging.h"

namespace mt {

// Tokens that one worker takes through a block at a time: large enough to read each weight from memory seldom, small
// enough for the cache.
inline constexpr std::size_t kChunkTokens = 256;

struct RowRange {
  std::size_t begin = 0, end = 0;
};
// rows cut into equal pieces, a multiple of workers, of at most about kChunkTokens.
std::vector<RowRange> pieces_of(std::size_t rows, std::size_t workers);

// What a chunk holds between its steps; its memory is used again for the next one.
struct ChunkState {
  std::vector<std::size_t> offsets;  // of the samples, and the end of the last; they shrink when tokens merge
  Aligned<float> tokens;             // [tokens, width]
  std::vector<float> sizes;          // [tokens], how many each stands for; empty without merging

  // Keys and values alternate: while some rows still attend in one block, others already write those of the next.
  KeysAndValues kv[2];
  Aligned<std::byte> queries;
  Aligned<float> metric, merged;
  std::vector<float> key_bias, merged_sizes;

  std::size_t rows() const { return offsets.back(); }
};

// Calls task(item, worker) for each item in [0, items), possibly by several workers at once, and returns when all are
// done.
using Task = std::function<void(std::size_t item, std::size_t worker)>;
using ForEach = std::function<void(std::size_t items, const Task& task)>;

struct Merging {
  std::size_t pairs = 0;   // joined in each block, 0: none
  std::size_t prefix = 0;  // tokens that are left alone
};

// Takes a chunk through `layers` blocks. workers: how many for_each uses; workspaces: of each worker. The bytes depend
// on neither.
class ChunkRun {
 public:
  ChunkRun(const std::vector<Block>& blocks, const Architecture& architecture, const Numbers& numbers,
           ChunkState& state, std::vector<BlockWorkspace>& workspaces, std::size_t workers, ForEach for_each);

  // tokens: [offsets.back(), width], copied into the state.
  void run(const float* tokens, std::span<const std::size_t> offsets, std::size_t layers, const Merging& merging);

 private:
  void step(std::size_t index, std::size_t layers);
  void merging_step(std::size_t index, const Merging& merging);
  void merge_samples(const Merging& merging);
  void reshape(std::size_t block);
  Rows<float> tokens(RowRange rows) const;
  AnyRows queries(RowRange rows) const;
  Rows<float> metric(RowRange rows) const;

  const std::vector<Block>& blocks_;
  const Architecture& architecture_;
  const Numbers& numbers_;
  ChunkState& state_;
  std::vector<BlockWorkspace>& workspaces_;
  std::size_t workers_;
  ForEach for_each_;
};

}  // namespace mt
