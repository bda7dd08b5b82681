// y = norm(W patch + b) within a frame: audio, video, hyperspectral, IMU, time series. Convolutions are such products
// too: patchify writes each window of k samples x channels as one row.
//
// The part: patch.weight [D, P] (or [D, ...] of P numbers in the patches' order), optional patch.bias [D], optional
// norm.weight|bias [D] behind it, and the frame (sequence_frame.h). Configuration: embedding "linear", width D,
// norm_eps (1e-5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "layers/linear.h"
#include "layers/trainable_layer_norm.h"
#include "layers/trainable_linear.h"
#include "tokenize/sequence_frame.h"
#include "tokenize/token_embedding.h"

namespace mt {

class LinearEmbedding : public TokenEmbedding {
 public:
  explicit LinearEmbedding(const Part& part);  // throws Error: missing tensors, shapes that do not fit each other

  std::size_t patch_size() const { return projection_.inputs(); }

  std::size_t width() const override { return projection_.outputs(); }
  std::size_t prefix() const override { return frame_.prefix(); }
  bool has_positions() const override { return frame_.has_positions(); }
  void require(const PatchRows& in, std::size_t sequence) const override;
  Tensor forward(const PatchRows& in) const override;
  void backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) override;
  std::vector<Parameter*> parameters() override;
  void parameters_changed() override;
  void store(Part& part) const override;

 private:
  template <class Self>
  static auto parameters_of(Self& self);
  Tensor projected(const Tensor& patches) const;

  Shape weight_shape_;  // as the part has it
  bool has_bias_;
  TrainableLinear projection_;
  std::unique_ptr<const Linear> packed_;  // the same numbers: a row's bytes then depend on nothing but the row
  std::optional<TrainableLayerNorm> norm_;
  SequenceFrame frame_;
};

// Adds a projection that nobody has trained: weights from N(0, 1 / P), bias 0 where there is one. Equal arguments give
// equal tensors.
void add_initial_projection(Part& part, std::size_t width, std::size_t patch_size, bool bias, std::uint64_t seed);

}  // namespace mt
