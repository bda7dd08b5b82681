// The learned half of a tokenizer: patches, codes and places of sequences into tokens of the shared space. mt-tokenize
// runs it, mt-train-head teaches it through the frozen encoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"
#include "base/threads.h"
#include "layers/parameter.h"
#include "store/batch.h"
#include "store/model.h"

namespace mt {

// The columns of some sequences laid end to end, borrowed. What a modality does not have is empty.
struct PatchRows {
  const Tensor& patches;                  // [sum of T, P] f32
  const Tensor& codes;                    // [sum of T, Q] i32
  const Tensor& centers;                  // [sum of T, 3] f32
  const Tensor& grid;                     // [n, 3] i32: time, rows, columns
  std::span<const std::int64_t> offsets;  // [n + 1], first 0

  explicit PatchRows(const Batch& batch)
      : patches(batch.rows), codes(batch.codes), centers(batch.centers), grid(batch.grid), offsets(batch.offsets) {}
  PatchRows(const Tensor& patch_rows, const Tensor& code_rows, const Tensor& center_rows, const Tensor& grids,
            std::span<const std::int64_t> starts)
      : patches(patch_rows), codes(code_rows), centers(center_rows), grid(grids), offsets(starts) {}

  std::size_t sequences() const { return offsets.size() - 1; }
  std::size_t rows() const { return static_cast<std::size_t>(offsets.back()); }
  std::size_t begin(std::size_t sequence) const { return static_cast<std::size_t>(offsets[sequence]); }
  std::size_t end(std::size_t sequence) const { return static_cast<std::size_t>(offsets[sequence + 1]); }
};

class TokenEmbedding {
 public:
  virtual ~TokenEmbedding() = default;

  virtual std::size_t width() const = 0;
  virtual std::size_t prefix() const = 0;                    // tokens in front of each sequence that are not data
  virtual std::size_t leading_patches() const { return 0; }  // patches in front that are no data either: BERT's [CLS]
  virtual bool has_positions() const = 0;

  // Throws Error when it cannot take this sequence: longer than its positions, a grid beyond theirs, a code that no
  // table has, patches of another width. A sequence that passes does not make forward throw.
  virtual void require(const PatchRows& in, std::size_t sequence) const = 0;

  // Gives [sum of (T + prefix), width]: sequence s starts at row offsets[s] + s * prefix. A sequence's bytes do not
  // depend on the others. Callable from several threads at once.
  virtual Tensor forward(const PatchRows& in) const = 0;

  // dy: like forward's result. Adds to the gradients of the parameters that learn; forward's steps are taken again, so
  // nothing has to be kept between the two.
  virtual void backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) = 0;

  // Those it has, frozen until their gradients are made. Call parameters_changed() after changing values, before the
  // next forward.
  virtual std::vector<Parameter*> parameters() = 0;
  virtual void parameters_changed() {}
  // Puts the parameters' values back into the part that it came from.
  virtual void store(Part& part) const = 0;
};

// The embedding that a "tokenizer/..." part describes: by its configuration's "embedding" ("linear", or a modality's
// own name; a picture's part, which says none, is linear for the grid of its positions). Throws Error: unknown, missing
// tensors, shapes that do not fit each other.
std::unique_ptr<TokenEmbedding> token_embedding_of(const Part& part);

// Tensors of a tokenizer's part as they are used: float32 copies, finite, of the given shape where a size of it is not
// 0 (any). where names the part in errors, e.g. "tokenizer/audio".
Tensor tokenizer_floats(const Part& part, const std::string& name, const Shape& shape, std::string_view where);
// A positive number of the configuration, otherwise where it has none. Throws Error.
float tokenizer_eps(const Part& part, const char* name, float otherwise);
// "tokenizer/MODALITY" for messages.
std::string tokenizer_where(const Part& part);

}  // namespace mt
