// Multi-head attention within each sequence of a packed batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/aligned.h"
#include "kernels/kernels.h"
#include "layers/rows.h"

namespace mt {

// Keys and values of some sequences, head by head, as the attention kernel reads them.
class KeysAndValues {
 public:
  // Makes room for sequences that start at offsets (offsets[n] is the end of the last).
  void reshape(std::span<const std::size_t> offsets, std::size_t heads, std::size_t head_size, const Kernels& kernels);

  // Stores rows [begin, begin + keys.count) of the packed batch: keys, values [tokens, heads * head_size].
  // Disjoint rows may be stored by several threads at once.
  void store(std::size_t begin, Rows<const float> keys, Rows<const float> values);

 private:
  friend class Attention;
  std::size_t heads_ = 0, head_size_ = 0, value_stride_ = 0;
  const Kernels* kernels_ = nullptr;
  std::vector<std::size_t> offsets_,
      key_starts_;  // of each sequence in keys_; values_ start at offset * heads * stride
  Aligned<float> keys_, values_;

  std::size_t key_elements(std::size_t sequence) const;  // of one head
};

class Attention {
 public:
  Attention(std::size_t heads, std::size_t head_size, float scale)
      : heads_(heads), head_size_(head_size), scale_(scale) {}

  // y = softmax(scale q k^T) v for rows [begin, begin + queries.count) of the packed batch, each within its own
  // sequence. queries, y: [tokens, heads * head_size]. scratch grows as needed. A row's bytes depend on its own
  // sequence alone.
  void forward(std::size_t begin, Rows<const float> queries, const KeysAndValues& kv, Rows<float> y,
               Aligned<float>& scratch) const;

 private:
  std::size_t heads_, head_size_;
  float scale_;
};

}  // namespace mt
