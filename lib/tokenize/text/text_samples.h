// Texts as samples: read, cut into word pieces or byte pairs. What the pipeline calls for text.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "decode/text_lines.h"
#include "store/schema.h"
#include "tokenize/pipeline.h"
#include "tokenize/text/text_tokenizer.h"

namespace mt {

// A token is a row: codes [id, segment]. Texts have no numbers of their own, so their patches are one zero a token.
class TextSamples : public SampleMaker {
 public:
  // The source must outlive this. max_tokens: of one sample, marks included; longer ones are truncated as
  // TextTokenizer::encode does it.
  TextSamples(const TextSource& source, std::shared_ptr<const TextTokenizer> tokenizer, std::size_t max_tokens);

  // Kind, columns, labels and what decides the rows.
  Schema schema() const;
  // Samples truncated so far.
  std::int64_t truncated() const { return truncated_; }

  std::size_t size() const override { return source_.size(); }
  std::string id(std::size_t i) const override { return source_.id(i); }
  bool has_labels() const override { return source_.has_labels(); }
  std::int32_t label(std::size_t i) const override { return source_.label(i); }
  Digest digest(std::size_t i) const override { return source_.digest(i); }
  Batch empty_batch() const override;
  Digest make(std::size_t i, Batch& batch) const override;

 private:
  const TextSource& source_;
  std::shared_ptr<const TextTokenizer> tokenizer_;
  std::size_t max_tokens_;
  mutable std::atomic<std::int64_t> truncated_ = 0;
};

}  // namespace mt
