// One pre-norm transformer block with its way back: x += attention(norm1(x)); x += mlp(norm2(x)). Works on some whole
// sequences at a time; all steps but attention go row by row, so that any number of workers shares the rows out.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/threads.h"
#include "encoder/encoder.h"
#include "kernels/training.h"
#include "layers/attention.h"
#include "layers/packed_linear.h"
#include "layers/trainable_layer_norm.h"

namespace mt {

// What a block's backward reads besides its input. Memory of the caller's.
struct BlockActivations {
  float* qkv = nullptr;       // [rows, 3 width]
  float* attended = nullptr;  // [rows, width]; needed only where the attention's output layer learns
  float* middle = nullptr;    // [rows, width], between attention and MLP
  float* hidden = nullptr;    // [rows, mlp], before the activation
};

// Consecutive sequences of a batch.
struct SequenceRows {
  std::span<const std::size_t> offsets;  // [sequences + 1], first 0: rows
  // What each sequence's branches are multiplied by (stochastic depth), [sequences] each; empty: 1.
  std::vector<float> attention_scale, mlp_scale;

  std::size_t rows() const { return offsets.back(); }
};

// Buffers that the blocks of an encoder use in turn; they grow with the largest part of a batch.
struct BlockBuffers {
  Aligned<float> normed, active, branch, scaled, dhidden, dnormed, dattended, dmiddle, dqkv;
  Aligned<RowStatistics> statistics;
  KeysAndValues kv;
  std::vector<Aligned<float>> scratch;  // of each worker
};

struct BlockTraining {
  bool weights = false, norms = false, biases = false;  // learn
  std::size_t lora_rank = 0;
  bool backwards = true;                 // backward will be called
  Precision precision = Precision::f32;  // of the products with weights
  std::uint64_t seed = 0;
};

class TrainableBlock {
 public:
  // Reads blocks.{index}.* of the part.
  TrainableBlock(const Part& part, const Architecture& architecture, std::size_t index, const BlockTraining& training);

  static constexpr std::size_t kLinears = 4;
  void pack(std::size_t linear);  // each in [0, kLinears), in any order, by any thread
  bool learns() const;
  bool needs_attended() const { return output_.weights_learn(); }
  std::vector<Parameter*> parameters();
  void store(Part& part) const;

  // x, y: [rows, width]; y may be x. Fills the activations.
  void forward(const SequenceRows& sequences, Rows<const float> x, Rows<float> y, const BlockActivations& saved,
               BlockBuffers& buffers, ThreadPool& pool) const;
  // Fills the activations again.
  void recompute(const SequenceRows& sequences, Rows<const float> x, const BlockActivations& saved,
                 BlockBuffers& buffers, ThreadPool& pool) const;
  // gradient: of y on the way in, of x on the way out. Adds to the gradients of what learns.
  void backward(const SequenceRows& sequences, Rows<const float> x, const BlockActivations& saved, Rows<float> gradient,
                BlockBuffers& buffers, ThreadPool& pool);

 private:
  using PieceTask = std::function<void(std::size_t begin, std::size_t end, std::size_t worker)>;
  static void for_each_piece(std::size_t rows, ThreadPool& pool, const PieceTask& task);
  void run(const SequenceRows& sequences, Rows<const float> x, Rows<float> y, const BlockActivations& saved,
           BlockBuffers& buffers, ThreadPool& pool, bool whole) const;
  void backward_mlp(const SequenceRows& sequences, const BlockActivations& saved, Rows<float> gradient,
                    BlockBuffers& buffers, ThreadPool& pool);
  void backward_attention(const SequenceRows& sequences, const BlockActivations& saved, BlockBuffers& buffers,
                          ThreadPool& pool) const;
  void backward_qkv(const SequenceRows& sequences, Rows<const float> x, Rows<float> gradient, BlockBuffers& buffers,
                    ThreadPool& pool);

  std::size_t width_, mlp_width_, heads_;
  float scale_;
  bool quick_;
  TrainableLayerNorm norm1_, norm2_;
  Attention attention_;
  PackedLinear qkv_, output_, hidden_, mlp_output_;
};

// A part's tensor as float32.
Tensor float_tensor(const Part& part, const std::string& name);
// Puts a value that learned into the part, unless it is empty.
void store_tensor(Part& part, const std::string& name, const Tensor& value);
TrainableLayerNorm trainable_norm_of(const Part& part, const std::string& name, double eps, bool gain_learns,
                                     bool bias_learns);

}  // namespace mt
