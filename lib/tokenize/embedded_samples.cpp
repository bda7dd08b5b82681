#include "tokenize/embedded_samples.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include "base/error.h"

namespace mt {

namespace {

// Rows of each sequence behind `prefix` rows of `fill`.
Tensor with_prefix_rows(const Tensor& rows, const PatchRows& in, std::size_t prefix, float fill) {
  if (prefix == 0) return rows;
  Tensor longer(DType::f32, {rows.rows() + in.sequences() * prefix, rows.columns()});
  std::size_t target = 0;
  for (std::size_t s = 0; s < in.sequences(); ++s) {
    for (std::size_t i = 0; i < prefix; ++i) std::ranges::fill(longer.row<float>(target++), fill);
    for (std::size_t t = in.begin(s); t < in.end(s); ++t) {
      std::ranges::copy(rows.row<float>(t), longer.row<float>(target++).begin());
    }
  }
  return longer;
}

std::vector<std::int32_t> with_prefix_labels(const std::vector<std::int32_t>& labels, const PatchRows& in,
                                             std::size_t prefix) {
  std::vector<std::int32_t> longer;
  for (std::size_t s = 0; s < in.sequences(); ++s) {
    longer.insert(longer.end(), prefix, -1);
    longer.insert(longer.end(), labels.begin() + in.offsets[s], labels.begin() + in.offsets[s + 1]);
  }
  return longer;
}

}  // namespace

EmbeddedSamples::EmbeddedSamples(const SampleMaker& patches, std::shared_ptr<const TokenEmbedding> embedding)
    : patches_(patches), embedding_(std::move(embedding)) {}

Schema EmbeddedSamples::schema(const Schema& patches, const TokenEmbedding& embedding) {
  Schema schema = patches;
  schema.kind = Kind::tokens;
  schema.width = embedding.width();
  schema.dtype = DType::f32;
  schema.code_width = 0;
  schema.prefix = embedding.prefix() + embedding.leading_patches();
  schema.positions = embedding.has_positions();
  schema.pre_norm = true;
  return schema;
}

Digest EmbeddedSamples::make(std::size_t i, Batch& batch) const {
  const std::size_t before = batch.rows.rows();
  const Digest digest = patches_.make(i, batch);
  // The sequence alone, as a batch of one: its rows lie at the end.
  std::vector<std::int64_t> offsets = batch.offsets;
  offsets.push_back(static_cast<std::int64_t>(batch.rows.rows()));
  if (static_cast<std::size_t>(offsets[offsets.size() - 2]) != before) {
    throw std::logic_error("EmbeddedSamples: rows that belong to no sample");
  }
  embedding_->require(PatchRows(batch.rows, batch.codes, batch.centers, batch.grid, offsets), offsets.size() - 2);
  return digest;
}

void EmbeddedSamples::finish(Batch& batch) const {
  patches_.finish(batch);
  batch = embed_batch(std::move(batch), *embedding_);
}

Batch embed_batch(Batch patches, const TokenEmbedding& embedding) {
  const PatchRows in(patches);
  const std::size_t prefix = embedding.prefix();
  Tensor tokens = embedding.forward(in);
  if (!patches.centers.empty()) {
    patches.centers = with_prefix_rows(patches.centers, in, prefix, std::numeric_limits<float>::quiet_NaN());
  }
  if (!patches.token_labels.empty()) patches.token_labels = with_prefix_labels(patches.token_labels, in, prefix);
  patches.rows = std::move(tokens);
  patches.codes = Tensor();
  for (std::size_t s = 0; s < patches.offsets.size(); ++s) {
    patches.offsets[s] += static_cast<std::int64_t>(s * prefix);
  }
  return patches;
}

}  // namespace mt
