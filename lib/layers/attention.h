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

// Keys and values of some sequences, head by head, as the attention kernel reads them; float32, or (narrow) bfloat16.
class KeysAndValues {
 public:
  // Makes room for sequences that start at offsets (offsets[n] is the end of the last).
  void reshape(std::span<const std::size_t> offsets, std::size_t heads, std::size_t head_size, bool narrow,
               const Kernels& kernels);

  // Stores rows [begin, begin + keys.count) of the packed batch: keys, values [tokens, heads * head_size].
  // Disjoint rows may be stored by several threads at once.
  void store(std::size_t begin, AnyRows keys, AnyRows values);

 private:
  friend class Attention;
  std::size_t heads_ = 0, head_size_ = 0, depth_ = 0, value_stride_ = 0;
  bool narrow_ = false;
  const Kernels* kernels_ = nullptr;
  std::vector<std::size_t> offsets_, key_starts_, value_starts_;  // of each sequence in the batch, keys_ and values_
  Aligned<std::uint32_t> keys_, values_;

  std::size_t key_groups(std::size_t tokens) const;    // of one head
  std::size_t value_groups(std::size_t tokens) const;  // of one head
  void store_values(std::size_t from, std::size_t to, std::size_t tokens, const void* first, std::size_t stride,
                    Group* target) const;
};

class Attention {
 public:
  Attention(std::size_t heads, std::size_t head_size, float scale)
      : heads_(heads), head_size_(head_size), scale_(scale) {}

  // y = softmax(scale q k^T) v for rows [begin, begin + queries.count) of the packed batch, each within its own
  // sequence. queries, y: [tokens, heads * head_size], of kv's type. key_bias: [tokens of the batch], added to the
  // scores times log2(e), or null. scratch grows as needed. A row's bytes depend on its own sequence alone. Saves
  // nothing.
  void forward(std::size_t begin, AnyRows queries, const KeysAndValues& kv, AnyRows y, Aligned<float>& scratch,
               const float* key_bias = nullptr) const;

  // Queries, keys and values of one head of one sequence, or what belongs to them: [tokens, head_size] each.
  template <class T>
  struct Head {
    Rows<T> query, key, value;
  };
  // The way back for one head of one sequence, without a key bias: the probabilities are computed again, some query
  // rows at a time. dy: [tokens, head_size]. Overwrites gradients, whose rows lie equally far apart in all three, as
  // those of head do. scratch grows as needed.
  void backward(const Head<const float>& head, Rows<const float> dy, const Head<float>& gradients,
                Aligned<float>& scratch) const;

 private:
  std::size_t heads_, head_size_;
  float scale_;
};

}  // namespace mt
