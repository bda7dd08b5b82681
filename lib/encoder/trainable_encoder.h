// The encoder as a stage of training: tokens in, features out, gradients back to the tokens and to whatever of it
// learns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/tensor.h"
#include "base/threads.h"
#include "encoder/encoder.h"
#include "layers/parameter.h"
#include "store/model.h"

namespace mt {

// Blocks first to last, both counted.
struct BlockRange {
  std::size_t first = 0, last = 0;
};

// What of the encoder learns, and how.
struct EncoderTraining {
  enum class Scope : std::uint8_t {
    nothing,  // frozen: no gradient of its weights is ever allocated
    all,
    norms,   // gains and biases of the layer norms
    biases,  // of every layer, those of the norms too
  };
  Scope scope = Scope::nothing;
  // The scope and LoRA reach these blocks only; the final norm and the projection where the last block is one of them.
  std::optional<BlockRange> blocks;
  // Rank of the updates that learn beside the attention's frozen weights (qkv and proj): W + B A (Hu et al., 2021).
  std::size_t lora_rank = 0;
  // Chance of the last block to leave out its attention, and its MLP, for a sample while training; earlier ones rise
  // linearly to it (Huang et al., 2016). In [0, 1).
  double stochastic_depth = 0;
  std::uint64_t seed = 0;  // of LoRA's first values and of stochastic depth
  // Of the products with the blocks' weights, both ways: f32, or bf16 where cpu_precision gives it. Sums, gradients of
  // weights, and the weights that learn stay float32.
  Precision precision = Precision::f32;

  // Activations inside a block are kept for backward while they fit into `memory` bytes, else computed again.
  enum class Recompute : std::uint8_t { automatic, always, never };
  Recompute recompute = Recompute::automatic;
  std::uint64_t memory = std::uint64_t{1} << 30;

  // Whether backward is asked for the tokens' gradient. Without it, backward ends at the first block that learns.
  bool token_gradients = true;
};

class TrainableEncoder {
 public:
  // Weights are packed for products in both directions; those that learn are copied too, so that the part may go.
  // Throws Error: what architecture_of throws; a range beyond the encoder's blocks; LoRA beside Scope::all.
  TrainableEncoder(const Part& encoder, const EncoderTraining& training, ThreadPool& pool);
  ~TrainableEncoder();
  TrainableEncoder(TrainableEncoder&&) noexcept;
  TrainableEncoder& operator=(TrainableEncoder&&) noexcept;

  const Architecture& architecture() const;
  std::size_t feature_width(const EncodeOptions& options) const;

  // tokens: [sum of T, width] f32; offsets: [n + 1], first 0. Returns [n, feature width], or for Pooling::tokens
  // [sum of (T - prefix), width]: the features of Encoder::encode in float32. Keeps what backward needs until the next
  // forward. step: tells the draws of stochastic depth apart. No merging. Throws Error ("sample 3": without tokens,
  // with nothing but prefix to pool, not finite).
  Tensor forward(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options,
                 std::uint64_t step = 0);

  // The same without stochastic depth, and keeps nothing: a forward before it can still be followed by its backward.
  Tensor evaluate(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options);

  // dfeatures: like forward's result. Returns the gradient of its tokens [sum of T, width] (empty without
  // token_gradients); adds to the gradients of the parameters that learn. Once after each forward. The bytes do not
  // depend on the threads.
  Tensor backward(const Tensor& dfeatures);

  // Those that learn, named as in the model file ("blocks.3.attn.qkv.weight"; LoRA's: "blocks.3.attn.qkv.lora_a"
  // [rank, inputs] and ".lora_b" [outputs, rank]). They stay where they are while the encoder lives.
  std::vector<Parameter*> parameters();

  // To be called after parameters' values changed, before the next forward or evaluate.
  void parameters_changed();

  // Puts the values that learn into an encoder part of this architecture, LoRA's updates added to the weights.
  void store(Part& part) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mt
