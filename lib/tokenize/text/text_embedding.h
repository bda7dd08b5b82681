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
//   config: modality "text", width D, tokenizer {kind, lower_case}, norm_eps (of norm), eps (of pre_norm), family
// BERT's own [CLS] id leads each sequence and is its class token; byte pairs have a learned cls in front, or are pooled
// at the end token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/tensor.h"
#include "base/threads.h"
#include "layers/lookup.h"
#include "layers/trainable_layer_norm.h"
#include "layers/trainable_linear.h"
#include "store/model.h"
#include "tokenize/text/text_tokenizer.h"

namespace mt {

// Sequences of ids laid end to end, as /codes and /offsets hold them.
struct TextCodes {
  std::span<const std::int32_t> ids, segments;  // [tokens]
  std::span<const std::int64_t> offsets;        // [sequences + 1]
};

class TextEmbedding {
 public:
  explicit TextEmbedding(const Part& part);  // throws Error: missing tensors, shapes that do not fit each other

  std::size_t width() const { return projection_ ? projection_->outputs() : words_.width(); }
  std::size_t vocabulary_size() const { return words_.entries(); }
  // The longest sequence of ids that it takes.
  std::optional<std::size_t> places() const;
  bool has_cls() const { return !cls_.value.empty(); }

  // Gives [tokens (+ sequences with cls), width]: sequence s starts at row offsets[s] (+ s with cls). A sequence's
  // bytes do not depend on the others. Throws Error for ids, segments or places that a table does not have. Callable
  // from several threads at once.
  Tensor forward(const TextCodes& codes) const;

  // dy: like forward's result. Adds to the gradients of the parameters that learn; forward's steps are taken again.
  void backward(const TextCodes& codes, const Tensor& dy, ThreadPool& pool);

  // Those it has, frozen until their gradients are made.
  std::vector<Parameter*> parameters();
  // Their values put back into the part that it came from.
  void store(Part& part) const;

 private:
  template <class Self>
  static auto parameters_of(Self& self);
  std::vector<std::int32_t> places_of(const TextCodes& codes) const;
  Tensor looked_up(const TextCodes& codes) const;
  Tensor with_cls(const TextCodes& codes, Tensor rows) const;
  Tensor without_cls(const TextCodes& codes, const Tensor& dy);

  Lookup words_;
  std::optional<Lookup> positions_, types_;
  std::optional<TrainableLayerNorm> norm_, pre_norm_;
  std::optional<TrainableLinear> projection_;
  Parameter cls_;
};

// A part for a tokenizer that no model has learned yet: all tables from N(0, 0.02^2), as BERT and CLIP start; a norm of
// gain 1 for word pieces, a cls for byte pairs. Equal arguments give equal parts.
Part initial_text_tokenizer(const TextTokenizer& tokenizer, std::size_t width, std::size_t places, std::uint64_t seed);

}  // namespace mt
