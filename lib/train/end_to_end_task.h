// Learning from patches: tokenizer -> encoder -> head, with gradients back through all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "encoder/trainable_encoder.h"
#include "heads/network.h"
#include "heads/standardisation.h"
#include "tokenize/token_embedding.h"
#include "train/augmentation.h"
#include "train/loop.h"
#include "train/losses.h"
#include "train/number_targets.h"
#include "train/patch_tokenizer.h"
#include "train/picture_views.h"
#include "train/sample_set.h"
#include "train/shuffled_samples.h"

namespace mt {

// What samples go through. All of it must outlive the task.
struct EndToEndModel {
  TokenEmbedding& embedding;
  TrainableEncoder& encoder;
  Network& head;
  std::optional<Standardisation> standardisation;  // of the features, fixed
  NumberTargets targets;                           // of numbers
  EncodeOptions encode;
  bool tokenizer_learns = false, encoder_learns = false;

  bool below_head_learns() const { return tokenizer_learns || encoder_learns; }
};

struct EndToEndOptions {
  std::size_t batch = 64;     // samples of a step
  std::size_t budget = 4096;  // tokens computed at once: a batch is taken in such pieces, whose gradients add up
  AugmentationSettings augmentation;
  std::uint64_t seed = 0;
};

class EndToEndTask : public LearningTask {
 public:
  // train, validation: numbers in the set. loss, of labels or of numbers as the set has them, must outlive the task.
  EndToEndTask(EndToEndModel model, SampleSet& set, std::vector<std::size_t> train, std::vector<std::size_t> validation,
               const Loss& loss, const EndToEndOptions& options, ThreadPool& pool);

  std::vector<Parameter*> parameters() override;
  void parameters_changed() override;
  std::size_t batches_per_epoch() const override { return samples_.batches_per_epoch(); }
  void begin_epoch(std::size_t epoch, std::size_t skip_batches) override {
    epoch_ = epoch;
    samples_.begin_epoch(epoch, skip_batches);
  }
  BatchResult learn(std::uint64_t step) override;
  std::string describe_batch() override;
  std::optional<HeadScore> validate() override;

  // Calls visit(features [n, width], batch) for the given samples in order, as the model makes them without learning
  // anything, with the batch that they were made from. budget: tokens that are computed at once.
  using FeatureVisitor = std::function<void(const Tensor& features, const Batch& batch)>;
  static void visit_features(const EndToEndModel& model, SampleSet& set, std::span<const std::size_t> samples,
                             std::size_t budget, ThreadPool& pool, const FeatureVisitor& visit);

 private:
  struct Piece;
  // batch: with the pictures as they are to be seen.
  static Piece prepare(Batch batch, std::span<const std::size_t> samples, const PatchScale& scale,
                       const TokenEmbedding& embedding);
  void leave_tokens_out(Piece& piece, Tensor& tokens) const;
  void learn_piece(Piece& piece, std::uint64_t draw, double weight, BatchResult& result);
  double slope_of(const Piece& piece, std::size_t i, std::span<float> row) const;
  void standardise(Tensor& features) const;

  EndToEndModel model_;
  SampleSet& set_;
  std::vector<std::size_t> validation_;
  const Loss& loss_;
  EndToEndOptions options_;
  ThreadPool& pool_;
  PatchScale scale_;
  PictureViews views_;
  Augmentation augmentation_;
  ShuffledSamples samples_;
  std::size_t epoch_ = 0;
  std::vector<std::size_t> batch_;      // numbers of the last batch's samples
  std::optional<std::size_t> culprit_;  // the first of them whose loss is not finite
};

}  // namespace mt
