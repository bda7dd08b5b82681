#include "tokenize/text/text_samples.h"

#include <utility>

namespace mt {

namespace {

constexpr std::size_t kCodes = 2;

}  // namespace

TextSamples::TextSamples(const TextSource& source, std::shared_ptr<const TextTokenizer> tokenizer,
                         std::size_t max_tokens)
    : source_(source), tokenizer_(std::move(tokenizer)), max_tokens_(max_tokens) {}

Schema TextSamples::schema() const {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "text";
  schema.width = 1;
  schema.code_width = kCodes;
  schema.has_labels = source_.has_labels();
  schema.label_names = source_.label_names();
  schema.positions = schema.pre_norm = false;
  Part tokenizer;
  tokenizer_->store(tokenizer);
  schema.config = {{"modality", "text"},
                   {"text_tokenizer", tokenizer.config["tokenizer"]},
                   {"vocabulary", hex(digest_of(tokenizer))},
                   {"max_tokens", max_tokens_}};
  return schema;
}

Batch TextSamples::empty_batch() const {
  Batch batch;
  batch.rows = Tensor(DType::f32, {0, 1});
  batch.codes = Tensor(DType::i32, {0, kCodes});
  return batch;
}

Digest TextSamples::make(std::size_t i, Batch& batch) const {
  const TextSource::Loaded loaded = source_.load(i);
  const TokenSequence sequence = tokenizer_->encode(loaded.text, loaded.second, max_tokens_);
  const std::size_t before = batch.rows.rows(), after = before + sequence.ids.size();
  batch.rows.resize_rows(after);
  batch.codes.resize_rows(after);
  for (std::size_t t = 0; t < sequence.ids.size(); ++t) {
    const auto codes = batch.codes.row<std::int32_t>(before + t);
    codes[0] = sequence.ids[t];
    codes[1] = sequence.segments[t];
  }
  if (sequence.truncated) ++truncated_;
  return source_.digest(i);
}

}  // namespace mt
