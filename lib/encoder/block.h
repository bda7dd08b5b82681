// One pre-norm transformer block, frozen: x += attention(norm1(x)); x += mlp(norm2(x)). Cut in two where rows meet:
// everything but attention works row by row, so that rows can be shared out and only attention waits for the others.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "encoder/encoder.h"
#include "encoder/layer_times.h"
#include "layers/attention.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"

namespace mt {

// Numbers of one encoder: the operands of products, and what passes between layers.
struct Numbers {
  const Kernels* kernels = nullptr;
  Precision precision = Precision::f32;
  bool narrow() const { return precision != Precision::f32 && narrows(*kernels); }  // bfloat16 between layers
};

// What one worker needs while it computes a block of rows; grows with the largest.
class BlockWorkspace {
 public:
  explicit BlockWorkspace(const Numbers& numbers) : operand(*numbers.kernels, numbers.precision), numbers_(numbers) {}

  Operand operand;
  Aligned<float> scratch;
  Stopwatch watch;  // started by who calls a block
  // Rows between layers, in the buffer of the given purpose; contents are lost.
  enum Purpose : std::uint8_t { keys, values, attended, hidden, kPurposes };
  AnyRows rows(Purpose purpose, std::size_t count, std::size_t width);

 private:
  Numbers numbers_;
  Aligned<std::byte> buffers_[kPurposes];
};

class Block {
 public:
  // Reads blocks.{index}.* of the part. pack(part, i) for i in [0, kLinears) packs the products, in any order, by any
  // thread.
  Block(const Part& part, const Architecture& architecture, std::size_t index, const Numbers& numbers);
  static constexpr std::size_t kLinears = 6;
  void pack(const Part& part, std::size_t linear);

  // The part before attention for rows [begin, begin + x.count) of the packed batch:
  // queries = norm1(x) Wq + bq, keys and values likewise into kv. x, queries: [tokens, width].
  // metric: [tokens, head size], the keys averaged over heads, where it is not empty.
  void before_attention(std::size_t begin, Rows<const float> x, AnyRows queries, KeysAndValues& kv, Rows<float> metric,
                        BlockWorkspace& workspace) const;
  // When kv holds the keys and values of all rows: adds attention to x.
  void attend(std::size_t begin, Rows<float> x, AnyRows queries, const KeysAndValues& kv, const float* key_bias,
              BlockWorkspace& workspace) const;
  // Adds the MLP to x.
  void feed_forward(Rows<float> x, BlockWorkspace& workspace) const;

 private:
  std::unique_ptr<Linear> linear(const Part& part, const std::string& name, std::size_t first, std::size_t outputs,
                                 std::size_t inputs, Finish finish) const;

  std::string prefix_;
  std::size_t width_, mlp_;
  Finish activation_;
  Numbers numbers_;
  LayerNorm norm1_, norm2_;
  Attention attention_;
  std::unique_ptr<Linear> query_, key_, value_, output_, hidden_, mlp_output_;
};

// A tensor's elements as float32; converted into storage when it has another type.
std::span<const float> as_floats(const Tensor& tensor, Tensor& storage);
LayerNorm layer_norm_of(const Part& part, const std::string& name, double eps);

}  // namespace mt
