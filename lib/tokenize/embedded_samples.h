// Samples of patches as samples of tokens: what the pipeline calls when the embedding is not left out.
#pragma once

#include <memory>
#include <string>

#include "store/schema.h"
#include "tokenize/pipeline.h"
#include "tokenize/token_embedding.h"

namespace mt {

class EmbeddedSamples : public SampleMaker {
 public:
  // patches must outlive this; its batches have one sequence a sample. embedding must take their columns.
  EmbeddedSamples(const SampleMaker& patches, std::shared_ptr<const TokenEmbedding> embedding);

  // The schema of the tokens that patches of this schema become.
  static Schema schema(const Schema& patches, const TokenEmbedding& embedding);

  std::size_t size() const override { return patches_.size(); }
  std::string id(std::size_t i) const override { return patches_.id(i); }
  bool has_labels() const override { return patches_.has_labels(); }
  std::int32_t label(std::size_t i) const override { return patches_.label(i); }
  Digest digest(std::size_t i) const override { return patches_.digest(i); }
  Batch empty_batch() const override { return patches_.empty_batch(); }
  // Throws Error too when the embedding cannot take the sequence.
  Digest make(std::size_t i, Batch& batch) const override;
  void finish(Batch& batch) const override;

 private:
  const SampleMaker& patches_;
  std::shared_ptr<const TokenEmbedding> embedding_;
};

// A batch of patches as a batch of tokens: rows embedded; codes gone; centers and token_labels (NaN, -1) with rows for
// the prefix.
Batch embed_batch(Batch patches, const TokenEmbedding& embedding);

}  // namespace mt
