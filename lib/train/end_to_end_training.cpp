#include "train/end_to_end_training.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "encoder/encode_plan.h"
#include "heads/network_head.h"
#include "train/training_samples.h"

namespace mt {

namespace {

// Samples whose features decide the head's fixed standardisation.
constexpr std::size_t kMeasured = 1024;

std::string_view name_of(EncoderTraining::Scope scope) {
  switch (scope) {
    case EncoderTraining::Scope::nothing:
      return "nothing";
    case EncoderTraining::Scope::all:
      return "all";
    case EncoderTraining::Scope::norms:
      return "norms";
    case EncoderTraining::Scope::biases:
      return "biases";
  }
  return "";
}

std::size_t values_of(const std::vector<Parameter*>& parameters) {
  std::size_t count = 0;
  for (const Parameter* parameter : parameters) count += parameter->value.size();
  return count;
}

std::size_t values_of(const Part& part) {
  std::size_t count = 0;
  for (const auto& [name, tensor] : part.tensors) {
    if (tensor.dtype() == DType::f32 || tensor.dtype() == DType::f16 || tensor.dtype() == DType::bf16)
      count += tensor.size();
  }
  return count;
}

// The number of the block that a parameter "blocks.{i}..." belongs to; nullopt:
// behind the blocks.
std::optional<std::size_t> block_of(const std::string& name) {
  constexpr std::string_view kBlocks = "blocks.";
  if (!name.starts_with(kBlocks)) return std::nullopt;
  const std::size_t end = name.find('.', kBlocks.size());
  const auto number = parse_int(std::string_view(name).substr(kBlocks.size(), end - kBlocks.size()));
  return number ? std::optional(static_cast<std::size_t>(*number)) : std::nullopt;
}

}  // namespace

nlohmann::json EndToEndSettings::to_json() const {
  nlohmann::json json = head.to_json();
  std::vector<std::string> learns = {"head"};
  if (tokenizer) learns.emplace_back("tokenizer");
  if (encoder_learns()) learns.emplace_back("encoder");
  json["train"] = learns;
  json["budget"] = budget;
  if (new_tokenizer) json["new_tokenizer"] = true;
  if (tokenizer && tokenizer_rate) json["tokenizer_rate"] = *tokenizer_rate;
  if (layer_decay != 1) json["layer_decay"] = layer_decay;
  if (augmentation.any()) json["augment"] = augmentation.to_json();
  if (head.loop.ema > 0) json["ema"] = head.loop.ema;
  if (encoder_learns()) {
    nlohmann::json& tuned = json["encoder"];
    tuned["scope"] = name_of(encoder.scope);
    if (encoder.lora_rank > 0) tuned["lora_rank"] = encoder.lora_rank;
    if (encoder.blocks) tuned["blocks"] = {encoder.blocks->first, encoder.blocks->last};
    if (encoder_rate) tuned["rate"] = *encoder_rate;
    if (encoder.stochastic_depth > 0) tuned["stochastic_depth"] = encoder.stochastic_depth;
  }
  return json;
}

EndToEndTraining::EndToEndTraining(const EndToEndSettings& settings, Model model, ThreadPool& pool, Progress& progress)
    : settings_(settings), model_(std::move(model)), pool_(pool) {
  open_training_files(set_, settings.head, progress);
  HoldOut parts = divide_samples(set_, settings.head, progress);
  train_ = std::move(parts.train);
  validation_ = std::move(parts.validation);
  const Part& encoder = model_.part("encoder");
  const Architecture architecture = architecture_of(encoder);
  tokenizer_ = tokenizer_for_patches(model_, set_.schema(), architecture.width, settings.new_tokenizer,
                                     settings.head.seed, progress);
  embedding_ = token_embedding_of(tokenizer_.part);
  encode_.prefix = embedding_->prefix() + embedding_->leading_patches();
  encode_.pooling = settings.pool.value_or(usual_pooling(encoder, encode_.prefix));
  if (encode_.pooling == Pooling::tokens)
    throw UsageError("--pool", "a head takes one vector a sample", "use cls, mean, max or eot");
  if (encode_.pooling == Pooling::cls && encode_.prefix == 0)
    throw UsageError("--pool", "this tokenizer has no class token", "use --pool mean");

  complete_digests(model_);
  Sha256 hash;
  nlohmann::json decisive = settings.to_json();
  decisive["pool"] = mt::name_of(encode_.pooling);
  hash.update(decisive.dump()).update(hex(set_.digest()));
  hash.update(hex(digest_of(encoder))).update(hex(digest_of(tokenizer_.part)));
  if (model_.has("head")) hash.update(hex(digest_of(model_.part("head"))));
  run_ = hex(hash.finish());
}

CrossEntropy EndToEndTraining::make_loss() const {
  std::vector<double> weights = settings_.head.class_weights;
  if (settings_.head.balanced) {
    std::vector<std::size_t> counts(classes());
    for (const std::size_t sample : train_) ++counts[static_cast<std::size_t>(set_.label(sample))];
    weights = balanced_class_weights(counts);
  }
  return CrossEntropy(classes(), settings_.head.smoothing, std::move(weights));
}

EndToEndModel EndToEndTraining::parts() {
  return {.embedding = *embedding_,
          .encoder = *encoder_,
          .head = *head_,
          .standardisation = standardisation_,
          .encode = encode_,
          .tokenizer_learns = settings_.tokenizer,
          .encoder_learns = settings_.encoder_learns()};
}

// A trained head's numbers where the model has one, else fresh ones behind
// features that are standardised as the untrained tokenizer makes them.
void EndToEndTraining::begin_head() {
  NetworkShape shape =
      network_shape_of(settings_.head, encoder_->feature_width(encode_) + set_.schema().number_width, classes());
  if (model_.has("head")) {
    const auto head = Head::from(model_.part("head"));
    const auto* network = dynamic_cast<const NetworkHead*>(head.get());
    if (network == nullptr) throw Error(model_.source, "its head has no weights to go on with", "leave it out");
    if (head->feature_width() != shape.inputs || head->class_names() != set_.class_names()) {
      throw Error(model_.source,
                  fmt::format("its head takes {} features for {}, here are {} for {}", head->feature_width(),
                              listed(head->class_names()), shape.inputs, listed(set_.class_names())),
                  "train it on features of the same model and classes");
    }
    shape = network->network().shape();
    head_ = std::make_unique<Network>(shape, network->network().tensors());
    for (Parameter* parameter : head_->parameters()) parameter->clear_gradient();
    standardisation_ = head->description().standardisation;
    return;
  }
  head_ = std::make_unique<Network>(shape, settings_.head.seed);
  if (!settings_.head.standardise) return;
  std::vector<std::size_t> measured;
  const std::size_t count = std::min(kMeasured, train_.size());
  for (std::size_t i = 0; i < count; ++i) measured.push_back(train_[i * train_.size() / count]);
  Moments moments(shape.inputs);
  EndToEndTask::visit_features(parts(), set_, measured, settings_.budget, pool_,
                               [&](const Tensor& features, std::span<const std::size_t>) {
                                 moments.add(features.as<float>().data(), features.rows());
                               });
  standardisation_ = moments.standardisation();
}

// Multiples of the run's rate, which is the head's (layer decay: Clark et al.,
// ELECTRA, 2020).
void EndToEndTraining::set_rates() {
  const double base = settings_.head.loop.schedule.rate;
  const std::size_t blocks = encoder_->architecture().blocks;
  const double of_encoder = settings_.encoder_rate.value_or(base) / base;
  for (Parameter* parameter : encoder_->parameters()) {
    const auto block = block_of(parameter->name);
    const std::size_t below = block ? blocks - *block : 0;
    parameter->rate = of_encoder * std::pow(settings_.layer_decay, static_cast<double>(below));
  }
  if (!settings_.tokenizer) return;
  const double of_tokenizer = settings_.tokenizer_rate.value_or(base) / base;
  for (Parameter* parameter : embedding_->parameters()) {
    parameter->clear_gradient();
    parameter->rate = of_tokenizer * std::pow(settings_.layer_decay, static_cast<double>(blocks + 1));
  }
}

nlohmann::json EndToEndTraining::parameter_counts() {
  const std::size_t head = values_of(head_->parameters());
  const std::size_t tokenizer = values_of(embedding_->parameters());
  const std::size_t tuned = values_of(encoder_->parameters());
  return {{"head", head},
          {"tokenizer", tokenizer},
          {"encoder", values_of(model_.part("encoder"))},
          {"trained", head + (settings_.tokenizer ? tokenizer : 0) + tuned}};
}

nlohmann::json EndToEndTraining::plan() {
  std::uint64_t patches = 0;
  for (const std::size_t sample : train_) patches += set_.patches(sample) + embedding_->prefix();
  return {
      {"train", settings_.to_json()["train"]},
      {"modality", set_.schema().modality},
      {"classes", classes()},
      {"samples", {{"train", train_.size()}, {"validation", validation_.size()}, {"unlabelled", set_.unlabelled()}}},
      {"tokens_per_epoch", patches},
      {"pool", mt::name_of(encode_.pooling)}};
}

TrainedModel EndToEndTraining::train(Watch& watch) {
  Part& encoder_part = model_.parts.at("encoder");
  const Digest before = digest_of(encoder_part);
  EncoderTraining training = settings_.encoder;
  training.seed = settings_.head.seed;
  training.token_gradients = settings_.tokenizer;
  encoder_ = std::make_unique<TrainableEncoder>(encoder_part, training, pool_);
  begin_head();
  set_rates();

  EndToEndOptions options{.batch = settings_.head.batch,
                          .budget = settings_.budget,
                          .augmentation = settings_.augmentation,
                          .seed = settings_.head.seed};
  EndToEndTask task(parts(), set_, train_, validation_, make_loss(), options, pool_);
  watch.progress.total(static_cast<std::int64_t>(train_.size() * settings_.head.loop.epochs));
  const LoopResult fit = run_loop(task, loop_settings_of(settings_.head), watch);

  nlohmann::json metrics = settings_.to_json();
  metrics["run"] = run_;
  metrics.update(plan());
  metrics["parameters"] = parameter_counts();
  metrics["frozen_encoder"] = hex(before);
  metrics["fit"] = {{"epochs", fit.epochs}, {"best_epoch", fit.best_epoch}, {"steps", fit.steps}, {"loss", fit.loss}};
  if (fit.validation) metrics["validation_score"] = to_json(*fit.validation);

  Part after = encoder_part;
  encoder_->store(after);
  after.digests.clear();
  if (settings_.encoder_learns()) {
    metrics.erase("frozen_encoder");
    metrics["began_with_encoder"] = hex(before);
    encoder_part = std::move(after);
  } else if (digest_of(after) != before) {
    throw std::logic_error("the frozen encoder is not the same after training");
  }
  if (settings_.tokenizer) {
    embedding_->store(tokenizer_.part);
    tokenizer_.part.config.erase("initialised_from_seed");
  }

  HeadDescription description;
  description.width = head_->shape().inputs;
  description.class_names = set_.class_names();
  description.input = {.kind = Kind::features,
                       .modality = set_.schema().modality,
                       .rows = 1,
                       .digest = "",
                       .pool = std::string(mt::name_of(encode_.pooling))};
  description.standardisation = standardisation_;
  description.training = metrics;

  TrainedModel result;
  result.metrics = metrics;
  result.model.source = model_.source;
  result.model.provenance = model_.provenance;
  result.model.parts.emplace("head", NetworkHead(std::move(description), std::move(*head_)).to_part());
  result.model.parts.emplace(tokenizer_.name, std::move(tokenizer_.part));
  result.model.parts.emplace("encoder", std::move(encoder_part));
  return result;
}

}  // namespace mt
