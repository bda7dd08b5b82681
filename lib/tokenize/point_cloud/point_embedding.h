// Patches of points into tokens: a small PointNet over each patch's K neighbours (Qi et al., CVPR 2017; the layout of
// Point-BERT and Pix4Point), and the centre's coordinates as its position.
//
//   a = relu(norm1(conv1 x)); b = conv2 a; h = relu(norm2(conv3 [max over K of b; b])); token = max over K of conv4 h
//   position = fc2 gelu(fc1 centre);  [cls; token + position] -> pre_norm
//
// The part "tokenizer/point-cloud", F features a point, D the width: conv1.weight [A, F], norm1 of A, conv2.weight
// [B, A] with bias, conv3.weight [C, 2 B], norm2 of C, conv4.weight [D, C] with bias, position.fc1.weight [H, 3] and
// position.fc2.weight [D, H] with biases; norms have weight, bias, running_mean, running_var; the frame
// (sequence_frame.h). Initial ones have A = H = 128, B = 256, C = 512. Configuration: embedding "mini-pointnet", width
// D, neighbors K, norm_eps (1e-5), and what patchify needs (point_cloud_samples.h).
//
// The norms use their running statistics, forward and backward: a token depends on its own patch alone. --fit takes
// them from training data (calibrate_norms); TrainableBatchNorm has the batch's own for who trains from scratch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "layers/linear.h"
#include "layers/trainable_batch_norm.h"
#include "layers/trainable_linear.h"
#include "tokenize/sequence_frame.h"
#include "tokenize/token_embedding.h"

namespace mt {

class PointEmbedding : public TokenEmbedding {
 public:
  explicit PointEmbedding(const Part& part);  // throws Error: missing tensors, shapes that do not fit each other

  std::size_t width() const override { return conv4_.outputs(); }
  std::size_t prefix() const override { return frame_.prefix(); }
  bool has_positions() const override { return true; }
  void require(const PatchRows& in, std::size_t sequence) const override;
  Tensor forward(const PatchRows& in) const override;
  void backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) override;
  std::vector<Parameter*> parameters() override;
  void parameters_changed() override;
  void store(Part& part) const override;

  // Sets both norms' running statistics to those of these patches [patches, K * F], the second's as the first leaves
  // its input. Throws Error when there are none.
  void calibrate_norms(const Tensor& patches);

 private:
  struct Packed;  // the same numbers with the norms folded in
  template <class Self>
  static auto parameters_of(Self& self);
  Tensor positioned_tokens(const PatchRows& in) const;
  void add_positions(const Tensor& centers, Tensor& tokens) const;
  void backward_positions(const Tensor& centers, const Tensor& dy, ThreadPool& pool);
  void backward_patches(const Tensor& points, const Tensor& dy, ThreadPool& pool);

  std::size_t neighbors_;
  TrainableLinear conv1_, conv2_, conv3_, conv4_, fc1_, fc2_;  // conv1 and conv3 have no bias: zeros that never learn
  TrainableBatchNorm norm1_, norm2_;
  SequenceFrame frame_;
  std::shared_ptr<const Packed> packed_;
};

// Adds an embedding that nobody has trained to a part with the settings of point_cloud_samples.h: weights and biases
// uniform in +-1/sqrt(inputs) as torch initialises a convolution, norms that do nothing, a cls from N(0, 0.02^2). Equal
// arguments give equal tensors.
void add_initial_point_embedding(Part& part, std::size_t width, std::uint64_t seed);

}  // namespace mt
