#include "train/end_to_end_training.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/random.h"
#include "base/text.h"
#include "encoder/encode_plan.h"
#include "heads/network_head.h"
#include "heads/regression_head.h"
#include "train/training_samples.h"

namespace mt {

namespace {

// Samples whose features decide the head's fixed standardisation.
constexpr std::size_t kMeasured = 1024;
constexpr std::size_t kProbed = 16;  // tokens that a frozen encoder is asked about

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

EndToEndSettings for_this_machine(EndToEndSettings settings, const Model& model, Progress& progress) {
  const Architecture architecture = architecture_of(model.part("encoder"));
  settings.encoder.precision = cpu_precision(settings.encoder.precision, architecture, progress);
  return settings;
}

// A file's values are read only, and others may look at them.
void own_values(Network& network) {
  for (Parameter* parameter : network.parameters())
    parameter->value = parameter->value.rows_copy(0, parameter->value.rows());
}

// The number of the block that a parameter "blocks.{i}..." belongs to; nullopt: behind the blocks.
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
  if (encoder.precision != Precision::f32) json["dtype"] = mt::name_of(encoder.precision);
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
    : settings_(for_this_machine(settings, model, progress)),
      model_(std::move(model)),
      pool_(pool),
      set_(settings.head.regression ? Supervision::numbers : Supervision::labels) {
  if (of_numbers()) {
    for (const std::string& name : settings.head.features) set_.add(name);
  } else {
    open_training_files(set_, settings.head, progress);
  }
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

  encoded_ = feature_width(architecture, encode_);
  encoder_values_ = values_of(encoder);

  complete_digests(model_);
  Sha256 hash;
  nlohmann::json decisive = settings_.to_json();
  decisive["pool"] = mt::name_of(encode_.pooling);
  hash.update(decisive.dump()).update(hex(set_.digest()));
  hash.update(hex(digest_of(encoder))).update(hex(digest_of(tokenizer_.part)));
  if (model_.has("head")) hash.update(hex(digest_of(model_.part("head"))));
  run_ = hex(hash.finish());
}

std::vector<double> EndToEndTraining::class_weights() const {
  if (!settings_.head.balanced) return settings_.head.class_weights;
  std::vector<std::size_t> counts(outputs());
  for (const std::size_t sample : train_) ++counts[static_cast<std::size_t>(set_.label(sample))];
  return balanced_class_weights(counts);
}

EndToEndModel EndToEndTraining::parts() {
  return {.embedding = *embedding_,
          .encoder = *encoder_,
          .head = *head_,
          .standardisation = standardisation_,
          .targets = targets_,
          .encode = encode_,
          .tokenizer_learns = settings_.tokenizer,
          .encoder_learns = settings_.encoder_learns()};
}

// The network of the model's head, with numbers of its own; its standardisation is taken over.
Network EndToEndTraining::head_to_begin_with(NetworkShape shape) {
  const auto refuse = [&](std::size_t width, const std::string& gives) {
    if (width == shape.inputs && gives.empty()) return;
    throw Error(model_.source,
                fmt::format("its head takes {} features{}, here are {} for {}", width, gives, shape.inputs,
                            of_numbers() ? fmt::format("{} targets", outputs()) : listed(set_.class_names())),
                "train it on features of the same model, for the same task");
  };
  const Part& part = model_.part("head");
  if (of_numbers()) {
    if (!is_regression(part)) refuse(shape.inputs, " for classes");
    RegressionHead head = RegressionHead::from(part);
    own_values(head.network);
    const bool same = head.targets() == outputs() && head.target_names == set_.schema().target_names;
    refuse(head.width(), same ? "" : fmt::format(" for {} targets", head.targets()));
    if (head.sigmoid != (settings_.head.loss.kind == LossChoice::Kind::bce))
      throw Error(model_.source, "its head was trained with the loss of another kind of numbers", "leave it out");
    if (targets_.scale) {
      std::vector<float> factor, shift;
      for (std::size_t k = 0; k < outputs(); ++k) {
        factor.push_back(1 / targets_.scale->deviation[k]);
        shift.push_back(-targets_.scale->mean[k] / targets_.scale->deviation[k]);
      }
      head.network.rescale_outputs(factor, shift);
    }
    standardisation_ = std::move(head.standardisation);
    return std::move(head.network);
  }
  const auto head = Head::from(part);
  const auto* network = dynamic_cast<const NetworkHead*>(head.get());
  if (network == nullptr) throw Error(model_.source, "its head has no weights to go on with", "leave it out");
  refuse(head->feature_width(), head->class_names() == set_.class_names() ? "" : " for " + listed(head->class_names()));
  standardisation_ = head->description().standardisation;
  Network own = network->network();
  own_values(own);
  return own;
}

NetworkShape EndToEndTraining::fresh_head_shape() const {
  return network_shape_of(settings_.head, encoded_ + set_.schema().number_width, outputs());
}

// A trained head's numbers where the model has one, else fresh ones behind features that are standardised as the
// untrained tokenizer makes them.
void EndToEndTraining::begin_head() {
  const NetworkShape shape = fresh_head_shape();
  if (model_.has("head")) {
    head_ = std::make_unique<Network>(head_to_begin_with(shape));
    for (Parameter* parameter : head_->parameters()) parameter->clear_gradient();
    return;
  }
  head_ = std::make_unique<Network>(shape, settings_.head.seed);
  if (!settings_.head.standardise) return;
  std::vector<std::size_t> measured;
  const std::size_t count = std::min(kMeasured, train_.size());
  for (std::size_t i = 0; i < count; ++i) measured.push_back(train_[i * train_.size() / count]);
  Moments moments(shape.inputs);
  EndToEndTask::visit_features(
      parts(), set_, measured, settings_.budget, pool_,
      [&](const Tensor& features, const Batch&) { moments.add(features.as<float>().data(), features.rows()); });
  standardisation_ = moments.standardisation();
}

// What the weights that training computes with make of some tokens: features, and the tokens' gradient.
Digest EndToEndTraining::behaviour_of_encoder() {
  const std::size_t rows = encode_.prefix + kProbed;
  Tensor tokens(DType::f32, {rows, encoder_->architecture().width});
  Random random(0, stream_of("probe"));
  for (float& value : tokens.as<float>()) value = static_cast<float>(random.normal());
  const std::vector<std::int64_t> offsets = {0, static_cast<std::int64_t>(rows)};
  const Tensor features = encoder_->forward(tokens, offsets, encode_);
  return Sha256().update(features.bytes()).update(encoder_->backward(features).bytes()).finish();
}

// Multiples of the run's rate, which is the head's (layer decay: Clark et al., ELECTRA, 2020).
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

// Of the parts; once they are trained, of all that learned.
nlohmann::json EndToEndTraining::parameter_counts() {
  const std::size_t tokenizer = values_of(embedding_->parameters());
  const std::size_t head = (head_ ? head_->shape() : fresh_head_shape()).parameter_count();
  nlohmann::json counts = {{"head", head}, {"tokenizer", tokenizer}, {"encoder", encoder_values_}};
  if (encoder_) counts["trained"] = head + (settings_.tokenizer ? tokenizer : 0) + values_of(encoder_->parameters());
  return counts;
}

nlohmann::json EndToEndTraining::plan() {
  const PictureViews views(set_.schema(), settings_.augmentation.crop, 0);
  std::uint64_t patches = 0;
  for (const std::size_t sample : train_) patches += views.patches(set_.patches(sample)) + embedding_->prefix();
  return {
      {"train", settings_.to_json()["train"]},
      {"modality", set_.schema().modality},
      {of_numbers() ? "targets" : "classes", outputs()},
      {"samples", {{"train", train_.size()}, {"validation", validation_.size()}, {"unlabelled", set_.unlabelled()}}},
      {"tokens_per_epoch", patches},
      {"parameters", parameter_counts()},
      {"pool", mt::name_of(encode_.pooling)}};
}

Part EndToEndTraining::finished_head(const nlohmann::json& metrics) {
  const HeadInput input = {.kind = Kind::features,
                           .modality = set_.schema().modality,
                           .rows = 1,
                           .digest = "",
                           .pool = std::string(mt::name_of(encode_.pooling))};
  if (of_numbers()) {
    RegressionHead head = head_of_numbers(std::move(*head_), targets_, standardisation_, set_.schema().target_names);
    head.input = input;
    head.training = metrics;
    return head.to_part();
  }
  HeadDescription description;
  description.width = head_->shape().inputs;
  description.class_names = set_.class_names();
  description.input = input;
  description.standardisation = standardisation_;
  description.one_vs_rest = settings_.head.loss.kind == LossChoice::Kind::bce;
  description.training = metrics;
  return NetworkHead(std::move(description), std::move(*head_)).to_part();
}

TrainedModel EndToEndTraining::train(Watch& watch) {
  Part& encoder_part = model_.parts.at("encoder");
  const Digest before = digest_of(encoder_part);
  EncoderTraining training = settings_.encoder;
  training.seed = settings_.head.seed;
  training.token_gradients = settings_.tokenizer;
  encoder_ = std::make_unique<TrainableEncoder>(encoder_part, training, pool_);
  // The encoder has copies of what learns, and puts them back in the end.
  for (const Parameter* parameter : encoder_->parameters()) encoder_part.tensors.erase(parameter->name);
  const Digest behaviour = settings_.encoder_learns() ? Digest{} : behaviour_of_encoder();
  if (of_numbers()) targets_ = measure_targets(set_, train_, validation_, settings_.head.loss);
  begin_head();
  set_rates();

  EndToEndOptions options{.batch = settings_.head.batch,
                          .budget = settings_.budget,
                          .augmentation = settings_.augmentation,
                          .seed = settings_.head.seed};
  const auto loss = make_loss(settings_.head.loss, outputs(), settings_.head.smoothing, class_weights());
  EndToEndTask task(parts(), set_, train_, validation_, *loss, options, pool_);
  watch.progress.total(static_cast<std::int64_t>(train_.size() * settings_.head.loop.epochs));
  const LoopResult fit = run_loop(task, loop_settings_of(settings_.head), watch);

  nlohmann::json metrics = settings_.to_json();
  metrics["run"] = run_;
  metrics["data"] = hex(set_.digest());
  metrics.update(plan());
  metrics["fit"] = to_json(fit);
  if (fit.validation) metrics["validation_score"] = to_json(*fit.validation);

  if (settings_.encoder_learns()) {
    metrics["began_with_encoder"] = hex(before);
    encoder_->store(encoder_part);
    encoder_part.digests.clear();
  } else {
    metrics["frozen_encoder"] = hex(before);
    if (behaviour_of_encoder() != behaviour)
      throw std::logic_error("the frozen encoder is not the same after training");
  }
  if (settings_.tokenizer) {
    embedding_->store(tokenizer_.part);
    tokenizer_.part.config.erase("initialised_from_seed");
  }

  TrainedModel result;
  result.metrics = metrics;
  result.model.source = model_.source;
  result.model.provenance = model_.provenance;
  result.model.parts.emplace("head", finished_head(metrics));
  result.model.parts.emplace(tokenizer_.name, std::move(tokenizer_.part));
  result.model.parts.emplace("encoder", std::move(encoder_part));
  return result;
}

}  // namespace mt
