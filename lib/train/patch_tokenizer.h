// The tokenizer that learns from a file of patches: found in a model, fitted to the patches' layout, or begun anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/tensor.h"
#include "store/model.h"
#include "store/schema.h"
#include "tokenize/token_embedding.h"

namespace mt {

struct PatchTokenizer {
  std::string name;  // of the part: "tokenizer/MODALITY"
  Part part;         // with an embedding
  bool fresh = false;
};

// The part "tokenizer/MODALITY" of the model (of pictures "tokenizer/image" serves infrared and xray too). A picture
// tokenizer's positions are resized to the patches' grid; with fresh, or where the model has none, pictures begin with
// one initialised from seed. Throws Error: no such part, one without an embedding, patches of another shape or width.
PatchTokenizer tokenizer_for_patches(const Model& model, const Schema& patches, std::size_t width, bool fresh,
                                     std::uint64_t seed, Progress& progress);

// Patches as a file holds them -> what an embedding takes: float32, and normalised where a file has bytes of pictures.
class PatchScale {
 public:
  explicit PatchScale(const Schema& patches);
  Tensor floats(const Tensor& rows) const;  // [rows, width] f32

 private:
  bool bytes_ = false;
  std::vector<float> shift_, factor_;  // [width], of bytes
};

}  // namespace mt
