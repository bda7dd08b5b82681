// Token ids into tokens: the learned half of the text tokenizer.
//
//   e = words[id] (+ positions[place]) (+ types[segment]);  e = norm(e);  y = projection e + bias;  [cls; y] ->
//   pre_norm
//
// What is in brackets, the norm and the projection are there when the part has them. The part "tokenizer/text", W the
// width of the table, D of the tokens (W = D without a projection), V tokens, P places, K segments:
//   words [V, W]; optional positions [P, W]; optional types [K, W]; optional norm.weight|bias [W]; optional
//   projection.weight [D, W] with projection.bias [D]; optional cls [D]; optional pre_norm.weight|bias [D];
//   vocabulary (word pieces) or merges (byte pairs): bytes, one a line
//   config: modality "text", embedding "text", width D, tokenizer {kind, lower_case}, norm_eps (of norm), eps (of
//   pre_norm), family
// BERT's own [CLS] id leads each sequence and is its class token; byte pairs have a learned cls in front, or are pooled
// at the end token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/tensor.h"
#include "base/threads.h"
#include "layers/lookup.h"
#include "layers/trainable_layer_norm.h"
#include "layers/trainable_linear.h"
#include "store/model.h"
#include "tokenize/token_embedding.h"

namespace mt {

// Codes of a token: its id, its segment.
class TextEmbedding : public TokenEmbedding {
 public:
  explicit TextEmbedding(const Part& part);  // throws Error: missing tensors, shapes that do not fit each other

  std::size_t vocabulary_size() const { return words_.entries(); }
  // The longest sequence of ids that it takes.
  std::optional<std::size_t> places() const;

  std::size_t width() const override { return projection_ ? projection_->outputs() : words_.width(); }
  std::size_t prefix() const override { return cls_.value.empty() ? 0 : 1; }
  std::size_t leading_patches() const override { return leads_with_cls_ ? 1 : 0; }
  bool has_positions() const override { return positions_.has_value(); }
  void require(const PatchRows& in, std::size_t sequence) const override;
  Tensor forward(const PatchRows& in) const override;
  void backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) override;
  std::vector<Parameter*> parameters() override;
  void store(Part& part) const override;

 private:
  template <class Self>
  static auto parameters_of(Self& self);
  std::vector<std::int32_t> places_of(const PatchRows& in) const;
  Tensor looked_up(const PatchRows& in) const;
  Tensor with_cls(const PatchRows& in, Tensor rows) const;
  Tensor without_cls(const PatchRows& in, const Tensor& dy);

  Lookup words_;
  std::optional<Lookup> positions_, types_;
  std::optional<TrainableLayerNorm> norm_, pre_norm_;
  std::optional<TrainableLinear> projection_;
  Parameter cls_;
  bool leads_with_cls_;  // word pieces: the first id is [CLS]
};

// Completes a part that has its tokenizer (TextTokenizer::store), and maybe tables of a checkpoint, by what it lacks.
// Without tables: all from N(0, 0.02^2), as BERT and CLIP start, of the given width, with a norm of gain 1 for word
// pieces. With tables of another width: a projection. For byte pairs a cls. Equal arguments give equal parts.
void add_initial_text_embedding(Part& part, std::size_t width, std::size_t places, std::uint64_t seed);

}  // namespace mt
