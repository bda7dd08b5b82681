// Patches into tokens: a model's patch projection, class token, positions and pre-norm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "store/model.h"
#include "tokenize/image_patches.h"
#include "tokenize/resize.h"

namespace mt {

// What a "tokenizer/image" part declares, checked against its tensors.
struct ImageModel {
  std::size_t width = 0, patch = 0, channels = 0;
  Size size;                                   // of the pictures that its positions are made for
  std::optional<Normalization> normalization;  // none when the part does not say
  bool cls = false, positions = false;
};
ImageModel image_model_of(const Part& part);  // throws Error: missing tensors, shapes that do not fit each other

// Do samples of this modality come from pictures?
bool is_picture(std::string_view modality);

// A tokenizer for a model that has none: projection from N(0, 1 / inputs), bias 0, class token from N(0, 0.02^2),
// positions sines and cosines of row and column, no pre-norm. Equal arguments give equal parts.
Part initial_image_tokenizer(std::size_t width, std::size_t patch, const Normalization& normalization, Size size,
                             std::uint64_t seed);

class ImageTokenizer {
 public:
  // Pictures of the given size, whole patches along both sides; positions are resized to their grid. normalization: the
  // constants of the model's channels. summed: patches have one channel and meet the sum of the channels' kernels,
  // which is the same as replicating them (sum over c of w_c (x - mean_c) / std_c = x * sum of w_c / std_c - sum of w_c
  // mean_c / std_c).
  ImageTokenizer(const Part& part, Size size, const Normalization& normalization, bool summed = false);

  std::size_t width() const { return model_.width; }
  std::size_t patch() const { return model_.patch; }
  std::size_t prefix() const { return model_.cls ? 1 : 0; }
  std::size_t patches() const { return grid_.height * grid_.width; }  // of one picture
  std::size_t tokens() const { return patches() + prefix(); }
  bool has_positions() const { return model_.positions; }
  // How the patches have to be normalised, and how many channels they have.
  const Normalization& normalization() const { return normalization_; }

  // patches: [n * patches(), channels * side * side] f32, already normalised. Gives [n * tokens(), width] f32:
  // [cls; patches * projection + bias] + positions, pre-normed where the model says so. A picture's bytes do not depend
  // on the others. Callable from several threads at once.
  Tensor embed(const Tensor& patches) const;

 private:
  ImageModel model_;
  Size grid_;
  Normalization normalization_;
  std::unique_ptr<const Linear> projection_;
  Tensor first_;      // [width] cls plus its position, empty without cls
  Tensor positions_;  // [patches, width] of the grid; zeros without positions
  std::optional<LayerNorm> pre_norm_;
};

}  // namespace mt
