// Training tokenizer, encoder and head together, from files of patches to the parts of a model file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "base/threads.h"
#include "encoder/trainable_encoder.h"
#include "store/model.h"
#include "train/end_to_end_task.h"
#include "train/head_training.h"
#include "train/patch_tokenizer.h"
#include "train/sample_set.h"

namespace mt {

struct EndToEndSettings {
  HeadTrainingSettings head;   // files, validation, head, loss, loop; kind linear or mlp, optimiser adamw or sgd
  bool tokenizer = false;      // learns
  bool new_tokenizer = false;  // of pictures: does not begin with the model's
  EncoderTraining encoder;     // scope nothing and no LoRA: frozen
  std::optional<Pooling> pool;
  std::optional<double> tokenizer_rate, encoder_rate;  // highest learning rates; else the head's
  double layer_decay = 1;     // of the rate, from each block to the one below it, and to the tokenizer
  std::size_t budget = 4096;  // tokens computed at once
  AugmentationSettings augmentation;

  bool encoder_learns() const { return encoder.scope != EncoderTraining::Scope::nothing || encoder.lora_rank > 0; }
  // Everything that decides the result; no paths, threads, memory.
  nlohmann::json to_json() const;
};

struct TrainedModel {
  Model model;             // "head", "tokenizer/MODALITY", "encoder"
  nlohmann::json metrics;  // what the program's summary and --json say; also in the head's "training"
};

class EndToEndTraining {
 public:
  // Opens the files, joins classes, holds out, finds the tokenizer. model: with the encoder, the tokenizer and, where
  // the head is to begin with a trained one, a head. Choices are told to progress.note. Throws Error: a single class,
  // settings that contradict the data, parts that do not fit each other.
  EndToEndTraining(const EndToEndSettings& settings, Model model, ThreadPool& pool, Progress& progress);

  // Samples, classes, tokens, parameters: what a dry run says.
  nlohmann::json plan();
  // Digest of settings, data and model: equal runs give equal models.
  const std::string& run() const { return run_; }

  // Throws std::logic_error when a frozen encoder does not give the same bytes afterwards.
  TrainedModel train(Watch& watch);

 private:
  NetworkShape fresh_head_shape() const;  // of one that begins anew
  void begin_head();
  Network head_to_begin_with(NetworkShape shape);
  void set_rates();
  EndToEndModel parts();
  std::vector<double> class_weights() const;
  Digest behaviour_of_encoder();
  Part finished_head(const nlohmann::json& metrics);
  nlohmann::json parameter_counts();
  bool of_numbers() const { return set_.supervision() == Supervision::numbers; }
  std::size_t outputs() const { return of_numbers() ? set_.schema().target_width : set_.class_names().size(); }

  const EndToEndSettings settings_;
  Model model_;
  ThreadPool& pool_;
  SampleSet set_;
  std::vector<std::size_t> train_, validation_;  // numbers in the set
  PatchTokenizer tokenizer_;
  std::unique_ptr<TokenEmbedding> embedding_;
  std::unique_ptr<TrainableEncoder> encoder_;
  std::unique_ptr<Network> head_;
  std::optional<Standardisation> standardisation_;
  NumberTargets targets_;
  EncodeOptions encode_;
  std::size_t encoded_ = 0, encoder_values_ = 0;  // width of the encoder's features; of all its tensors
  std::string run_;
};

}  // namespace mt
