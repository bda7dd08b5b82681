#include "train/end_to_end_task.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/random.h"
#include "base/text.h"
#include "heads/head.h"
#include "layers/tiles.h"

namespace mt {

namespace {

constexpr std::size_t kSequencesAtOnce = 8;  // embedded by one worker

// Ends of pieces of samples whose tokens fit the budget, one sample at least.
std::vector<std::size_t> piece_ends(std::size_t samples, std::size_t budget,
                                    const std::function<std::size_t(std::size_t)>& tokens_of) {
  std::vector<std::size_t> ends;
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    const std::size_t own = tokens_of(i);
    if (tokens > 0 && tokens + own > budget) {
      ends.push_back(i);
      tokens = 0;
    }
    tokens += own;
  }
  ends.push_back(samples);
  return ends;
}

}  // namespace

// Some samples on their way.
struct EndToEndTask::Piece {
  Batch batch;                       // patches as the embedding takes them, with offsets
  std::vector<std::int64_t> tokens;  // offsets of the tokens, with the prefix
  std::vector<std::uint32_t> kept;   // of all tokens those that the encoder sees; empty: all
  std::vector<std::size_t> samples;  // numbers in the set
  std::vector<Augmentation::Partner> partners;
};

namespace {

// Patches as tokens, on all workers: a sequence's bytes do not depend on the others.
Tensor embed_all(const TokenEmbedding& embedding, const Batch& patches, ThreadPool& pool) {
  const PatchRows in(patches);
  const std::size_t groups = (in.sequences() + kSequencesAtOnce - 1) / kSequencesAtOnce;
  if (groups <= 1) return embedding.forward(in);
  Tensor tokens(DType::f32, {in.rows() + in.sequences() * embedding.prefix(), embedding.width()});
  pool.parallel_for(groups, [&](std::size_t group, std::size_t) {
    const std::size_t begin = group * kSequencesAtOnce, end = std::min(in.sequences(), begin + kSequencesAtOnce);
    const Batch some = patches.slice(begin, end);
    const Tensor own = embedding.forward(PatchRows(some));
    const std::size_t first = in.begin(begin) + begin * embedding.prefix();
    std::ranges::copy(own.as<float>(),
                      tokens.as<float>().begin() + static_cast<std::ptrdiff_t>(first * embedding.width()));
  });
  return tokens;
}

// What lies in front of the numbers that went round the encoder.
Tensor first_columns(Tensor all, std::size_t columns) {
  if (all.columns() == columns) return all;
  Tensor first(DType::f32, {all.rows(), columns});
  for (std::size_t i = 0; i < all.rows(); ++i)
    std::ranges::copy(std::as_const(all).row<float>(i).first(columns), first.row<float>(i).begin());
  return first;
}

// Throws Error, naming the sample by its position ("sample 3"), when the embedding cannot take one.
void require_usable(const TokenEmbedding& embedding, const Batch& batch) {
  for (std::size_t s = 0; s < batch.samples(); ++s) {
    const std::string where = fmt::format("sample {}", s);
    for (std::size_t row = batch.row_begin(s); row < batch.row_end(s); ++row) {
      const auto values = batch.rows.row<float>(row);
      if (std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) continue;
      throw Error(where, "has a patch value that is not finite");
    }
    try {
      embedding.require(PatchRows(batch), s);
    } catch (const Error& error) {
      throw Error(where, error.why(), error.remedy());
    }
  }
}

// A sample's class, or its numbers.
Target target_of(const Batch& batch, std::size_t sample) {
  if (batch.targets.empty()) return batch.labels[sample];
  return batch.targets.row<float>(sample);
}

// Names the sample that an error calls by its position in the batch ("sample 3").
[[noreturn]] void rethrow_named(const Error& error, SampleSet& set, std::span<const std::size_t> samples) {
  constexpr std::string_view kSample = "sample ";
  const std::string_view where = error.where();
  if (where.starts_with(kSample)) {
    const auto number = parse_int(where.substr(kSample.size()));
    if (number && *number >= 0 && static_cast<std::size_t>(*number) < samples.size())
      throw Error(set.describe(samples[static_cast<std::size_t>(*number)]), error.why(),
                  error.remedy().empty() ? "leave it out with mt-cat" : error.remedy());
  }
  throw error;
}

}  // namespace

EndToEndTask::EndToEndTask(EndToEndModel model, SampleSet& set, std::vector<std::size_t> train,
                           std::vector<std::size_t> validation, const Loss& loss, const EndToEndOptions& options,
                           ThreadPool& pool)
    : model_(std::move(model)),
      set_(set),
      validation_(std::move(validation)),
      loss_(loss),
      options_(options),
      pool_(pool),
      scale_(set.schema()),
      views_(set.schema(), options.augmentation.crop, options.seed),
      augmentation_(options.augmentation, set.schema(), options.seed),
      samples_(set, std::move(train), options.batch, options.seed) {}

std::vector<Parameter*> EndToEndTask::parameters() {
  std::vector<Parameter*> all = model_.head.parameters();
  for (Parameter* parameter : model_.embedding.parameters()) {
    if (parameter->learns()) all.push_back(parameter);
  }
  const auto encoder = model_.encoder.parameters();
  all.insert(all.end(), encoder.begin(), encoder.end());
  return all;
}

void EndToEndTask::parameters_changed() {
  if (model_.tokenizer_learns) model_.embedding.parameters_changed();
  if (model_.encoder_learns) model_.encoder.parameters_changed();
}

// The samples of a batch with normalised patches and offsets of their tokens.
EndToEndTask::Piece EndToEndTask::prepare(Batch batch, std::span<const std::size_t> samples, const PatchScale& scale,
                                          const TokenEmbedding& embedding) {
  Piece piece;
  piece.batch = std::move(batch);
  piece.batch.rows = scale.floats(piece.batch.rows);
  piece.samples.assign(samples.begin(), samples.end());
  std::vector<std::int64_t>& offsets = piece.batch.offsets;
  if (offsets.empty()) {
    for (std::size_t i = 0; i <= samples.size(); ++i) offsets.push_back(static_cast<std::int64_t>(i));
  }
  for (std::size_t s = 0; s < offsets.size(); ++s)
    piece.tokens.push_back(offsets[s] + static_cast<std::int64_t>(s * embedding.prefix()));
  require_usable(embedding, piece.batch);
  return piece;
}

// Drops tokens behind the prefix, and moves the others together.
void EndToEndTask::leave_tokens_out(Piece& piece, Tensor& tokens) const {
  if (augmentation_.settings().drop <= 0) return;
  std::vector<std::int64_t> offsets = {0};
  for (std::size_t s = 0; s + 1 < piece.tokens.size(); ++s) {
    const auto begin = static_cast<std::size_t>(piece.tokens[s]), end = static_cast<std::size_t>(piece.tokens[s + 1]);
    const std::size_t data = begin + std::min(model_.encode.prefix, end - begin);
    for (std::size_t row = begin; row < data; ++row) piece.kept.push_back(static_cast<std::uint32_t>(row));
    for (const std::size_t t : augmentation_.kept(end - data, piece.samples[s], epoch_))
      piece.kept.push_back(static_cast<std::uint32_t>(data + t));
    offsets.push_back(static_cast<std::int64_t>(piece.kept.size()));
  }
  Tensor fewer(DType::f32, {piece.kept.size(), tokens.columns()});
  for (std::size_t i = 0; i < piece.kept.size(); ++i)
    std::ranges::copy(std::as_const(tokens).row<float>(piece.kept[i]), fewer.row<float>(i).begin());
  tokens = std::move(fewer);
  piece.tokens = std::move(offsets);
}

// Loss of sample i and, in place of its outputs, the slope; of a mixed sample those of both, by their shares.
double EndToEndTask::slope_of(const Piece& piece, std::size_t i, std::span<float> row) const {
  const auto [other, share] = piece.partners[i];
  const Target target = target_of(piece.batch, i);
  if (other == i) return loss_.forward_backward(row, target, row);
  std::vector<float> its(row.size());
  const double of_other = loss_.forward_backward(row, target_of(piece.batch, other), its);
  const double own = loss_.forward_backward(row, target, row);
  for (std::size_t c = 0; c < row.size(); ++c) row[c] = share * row[c] + (1 - share) * its[c];
  return share * own + (1 - share) * of_other;
}

void EndToEndTask::standardise(Tensor& features) const {
  if (!model_.standardisation) return;
  float* const values = features.as<float>().data();
  model_.standardisation->apply(values, values, features.rows());
}

void EndToEndTask::learn_piece(Piece& piece, std::uint64_t draw, double weight, BatchResult& result) {
  augmentation_.apply(piece.batch, piece.samples, epoch_);
  piece.partners = augmentation_.mix(piece.batch, piece.samples, epoch_);
  Tensor tokens = embed_all(model_.embedding, piece.batch, pool_);
  const std::size_t all_tokens = tokens.rows();
  leave_tokens_out(piece, tokens);
  Tensor features = model_.below_head_learns() ? model_.encoder.forward(tokens, piece.tokens, model_.encode, draw)
                                               : model_.encoder.evaluate(tokens, piece.tokens, model_.encode);
  const std::size_t encoded = features.columns();
  features = beside(std::move(features), piece.batch.numbers);
  standardise(features);

  Network::Saved saved;
  Tensor slope = model_.head.forward(features, options_.seed, draw, saved, pool_);
  std::vector<double> losses(piece.samples.size());
  std::vector<std::uint8_t> right(piece.samples.size());
  const auto scale = static_cast<float>(1 / weight);
  for_each_row_tile(losses.size(), pool_, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto row = slope.row<float>(i);
      if (result.right) right[i] = std::ranges::max_element(row) - row.begin() == piece.batch.labels[i] ? 1 : 0;
      losses[i] = slope_of(piece, i, row);
      for (float& value : row) value *= scale;
    }
  });
  for (std::size_t i = 0; i < losses.size(); ++i) {
    result.loss += losses[i];
    if (!std::isfinite(losses[i]) && !culprit_) culprit_ = piece.samples[i];
  }
  if (result.right) *result.right += static_cast<std::size_t>(std::ranges::count(right, 1));
  if (culprit_) return;  // the loop stops here

  if (!model_.below_head_learns()) {
    model_.head.backward(features, saved, slope, nullptr, pool_);
    return;
  }
  Tensor dfeatures(DType::f32, features.shape());
  model_.head.backward(features, saved, slope, &dfeatures, pool_);
  if (model_.standardisation) {
    const std::vector<float>& deviation = model_.standardisation->deviation;
    for (std::size_t i = 0; i < dfeatures.rows(); ++i) {
      const auto row = dfeatures.row<float>(i);
      for (std::size_t j = 0; j < row.size(); ++j) row[j] /= deviation[j];
    }
  }
  Tensor dtokens = model_.encoder.backward(first_columns(std::move(dfeatures), encoded));
  if (!model_.tokenizer_learns) return;
  if (!piece.kept.empty()) {
    Tensor spread(DType::f32, {all_tokens, dtokens.columns()});
    for (std::size_t i = 0; i < piece.kept.size(); ++i)
      std::ranges::copy(std::as_const(dtokens).row<float>(i), spread.row<float>(piece.kept[i]).begin());
    dtokens = std::move(spread);
  }
  model_.embedding.backward(PatchRows(piece.batch), dtokens, pool_);
}

LearningTask::BatchResult EndToEndTask::learn(std::uint64_t step) {
  auto drawn = samples_.next();
  if (!drawn) throw std::logic_error("end to end task: the epoch is over");
  batch_ = drawn->samples;
  culprit_.reset();
  BatchResult result{.samples = batch_.size()};
  if (set_.supervision() == Supervision::labels) result.right = 0;
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    result.weight += loss_.weight_of(target_of(drawn->batch, i));
  }
  const auto ends = piece_ends(batch_.size(), options_.budget, [&](std::size_t i) {
    return views_.patches(set_.patches(batch_[i])) + model_.embedding.prefix();
  });
  std::size_t begin = 0;
  for (std::size_t p = 0; p < ends.size() && !culprit_; begin = ends[p++]) {
    throw_if_interrupted();
    const auto samples = std::span<const std::size_t>(batch_).subspan(begin, ends[p] - begin);
    try {
      Batch batch = drawn->batch.slice(begin, ends[p]);
      views_.crop(batch, samples, epoch_);
      Piece piece = prepare(std::move(batch), samples, scale_, model_.embedding);
      model_.targets.to_scale(piece.batch.targets);
      // Pieces of a step draw their own dropout and depth.
      learn_piece(piece, stream_of("piece", step, p), result.weight, result);
    } catch (const Error& error) {
      samples_.stop();  // the reading thread may be inside HDF5
      try {
        rethrow_named(error, set_, samples);
      } catch (const Error& named) {
        throw named.within(fmt::format("training: step {}", step));
      }
    }
  }
  return result;
}

std::string EndToEndTask::describe_batch() {
  // The reading thread may be inside HDF5: it has to stop first.
  samples_.stop();
  if (culprit_) return set_.describe(*culprit_);
  return batch_named(set_.describe(batch_.front()), batch_.size());
}

std::optional<HeadScore> EndToEndTask::validate() {
  samples_.stop();
  if (validation_.empty()) return std::nullopt;
  const std::size_t outputs = model_.head.shape().outputs;
  HeadScore score{.samples = validation_.size()};
  double right = 0, squares = 0;
  visit_features(model_, set_, validation_, options_.budget, pool_, [&](const Tensor& features, const Batch& batch) {
    Tensor x = features;
    standardise(x);
    Tensor made(DType::f32, {x.rows(), outputs});
    for_each_row_tile(x.rows(), pool_, [&](std::size_t begin, std::size_t end) {
      model_.head.forward_rows(std::as_const(x).row<float>(begin).data(), made.row<float>(begin).data(), end - begin);
    });
    Tensor scaled = batch.targets;
    model_.targets.to_scale(scaled);
    for (std::size_t i = 0; i < x.rows(); ++i) {
      const auto row = std::as_const(made).row<float>(i);
      if (scaled.empty()) {
        score.loss += loss_.plain(row, batch.labels[i]);
        right += std::ranges::max_element(row) - row.begin() == batch.labels[i] ? 1 : 0;
      } else {
        score.loss += loss_.plain(row, std::as_const(scaled).row<float>(i));
        squares += model_.targets.squared_error(row, batch.targets.row<float>(i));
      }
    }
  });
  const auto count = static_cast<double>(validation_.size());
  score.loss /= count;
  if (set_.supervision() == Supervision::numbers) score.mse = squares / (count * static_cast<double>(outputs));
  score.accuracy = right / count;
  return score;
}

void EndToEndTask::visit_features(const EndToEndModel& model, SampleSet& set, std::span<const std::size_t> samples,
                                  std::size_t budget, ThreadPool& pool, const FeatureVisitor& visit) {
  const PatchScale scale(set.schema());
  const PictureViews views(set.schema(), 0, 0);
  const std::size_t prefix = model.embedding.prefix();
  const auto ends = piece_ends(samples.size(), budget,
                               [&](std::size_t i) { return views.patches(set.patches(samples[i])) + prefix; });
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    throw_if_interrupted();
    const auto own = samples.subspan(begin, end - begin);
    begin = end;
    if (own.empty()) continue;
    try {
      Batch batch = set.read(own);
      views.whole(batch);
      const EndToEndTask::Piece piece = EndToEndTask::prepare(std::move(batch), own, scale, model.embedding);
      const Tensor tokens = embed_all(model.embedding, piece.batch, pool);
      visit(beside(model.encoder.evaluate(tokens, piece.tokens, model.encode), piece.batch.numbers), piece.batch);
    } catch (const Error& error) {
      rethrow_named(error, set, own);
    }
  }
}

}  // namespace mt
