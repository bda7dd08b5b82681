#include "train-head/end_to_end.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "encoder/model_source.h"

namespace mt::train_head {

namespace {

constexpr const char* kGroup = "End to end";
constexpr const char* kOptions[] = {"--train",     "--train-encoder",  "--train-blocks",     "--new-tokenizer",
                                    "--pool",      "--tokenizer-rate", "--encoder-rate",     "--layer-decay",
                                    "--ema",       "--augment",        "--stochastic-depth", "--budget",
                                    "--recompute", "--dtype"};

// "all", "norms", "biases" or "lora:RANK".
void read_scope(const std::string& text, EncoderTraining& encoder) {
  using Scope = EncoderTraining::Scope;
  if (text == "all" || text == "norms" || text == "biases") {
    encoder.scope = text == "all" ? Scope::all : text == "norms" ? Scope::norms : Scope::biases;
    return;
  }
  constexpr std::string_view kLora = "lora:";
  const auto rank = text.starts_with(kLora) ? parse_int(std::string_view(text).substr(kLora.size())) : std::nullopt;
  if (!rank || *rank < 1 || *rank > 1024)
    throw UsageError("--train-encoder", fmt::format("\"{}\" is not known", printable(text)),
                     "use all, norms, biases or lora:RANK with a rank of 1 to 1024");
  encoder.lora_rank = static_cast<std::size_t>(*rank);
}

// "10-11" or "11".
BlockRange blocks_named(const std::string& text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_int(std::string_view(text).substr(0, dash));
  const auto last = dash == std::string::npos ? first : parse_int(std::string_view(text).substr(dash + 1));
  if (!first || !last || *first < 0 || *last < *first)
    throw UsageError("--train-blocks", fmt::format("\"{}\" is no range of blocks", printable(text)),
                     "count from 0, e.g. 10-11");
  return {static_cast<std::size_t>(*first), static_cast<std::size_t>(*last)};
}

EndToEndSettings settings_of(const EndToEndOptions& options, const HeadTrainingSettings& head) {
  EndToEndSettings settings = options.settings;
  settings.head = head;
  settings.head.loop.ema = options.ema;
  bool trains_head = false, trains_encoder = false;
  for (const std::string_view word : split(options.train, ',')) {
    const std::string_view part = trimmed(word);
    if (part == "head")
      trains_head = true;
    else if (part == "tokenizer")
      settings.tokenizer = true;
    else if (part == "encoder")
      trains_encoder = true;
    else
      throw UsageError("--train", fmt::format("\"{}\" is no part that learns", printable(std::string(part))),
                       "give some of head,tokenizer,encoder");
  }
  if (!trains_head) throw UsageError("--train", "the head always learns", "e.g. --train head,tokenizer");
  if (!trains_encoder && (!options.encoder_scope.empty() || !options.blocks.empty() || settings.encoder_rate))
    throw UsageError("--train", "leaves the encoder frozen, other options want it to learn",
                     "--train head,tokenizer,encoder");
  if (trains_encoder) {
    read_scope(options.encoder_scope.empty() ? "all" : options.encoder_scope, settings.encoder);
    if (!options.blocks.empty()) settings.encoder.blocks = blocks_named(options.blocks);
  }
  using Recompute = EncoderTraining::Recompute;
  settings.encoder.recompute = options.recompute == "always"  ? Recompute::always
                               : options.recompute == "never" ? Recompute::never
                                                              : Recompute::automatic;
  settings.encoder.memory = head.memory;
  settings.encoder.precision = precision_named(options.dtype);
  if (!options.augment.empty()) settings.augmentation = augmentation_named(options.augment);
  if (!options.pool.empty()) settings.pool = pooling_named(options.pool);
  return settings;
}

void print_plan(const nlohmann::json& plan) {
  const char* outputs = plan.contains("classes") ? "classes" : "targets";
  std::cout << fmt::format("{} of {}: {} {}, {} pooling\n", listed(plan["train"].get<std::vector<std::string>>()),
                           plan["modality"].get<std::string>(), plan[outputs].get<std::size_t>(), outputs,
                           plan["pool"].get<std::string>())
            << fmt::format(
                   "samples: {} train, {} validate, {} have no label\n", plan["samples"]["train"].get<std::size_t>(),
                   plan["samples"]["validation"].get<std::size_t>(), plan["samples"]["unlabelled"].get<std::size_t>())
            << fmt::format("tokens: {} an epoch\n", plan["tokens_per_epoch"].get<std::uint64_t>())
            << fmt::format("parameters: {} of the head, {} of the tokenizer, {} of the encoder\n",
                           plan["parameters"]["head"].get<std::size_t>(),
                           plan["parameters"]["tokenizer"].get<std::size_t>(),
                           plan["parameters"]["encoder"].get<std::size_t>());
}

std::string summary(const nlohmann::json& metrics) {
  const nlohmann::json& counts = metrics["parameters"];
  return fmt::format("{}: {} parameters learned from {} samples, epoch {} of {}{}",
                     listed(metrics["train"].get<std::vector<std::string>>()), counts["trained"].get<std::size_t>(),
                     metrics["samples"]["train"].get<std::size_t>(), metrics["fit"]["best_epoch"].get<std::size_t>(),
                     metrics["fit"]["epochs"].get<std::size_t>(), score_text(metrics));
}

}  // namespace

void add_end_to_end_options(CLI::App& app, EndToEndOptions& o) {
  const auto option = [&](CLI::Option* added, const char* text) { return added->option_text(text)->group(kGroup); };
  EndToEndSettings& s = o.settings;
  option(app.add_option("--model", o.models,
                        "Encoder, and the tokenizer that --fit wrote; inputs are then patches. May be given twice; a "
                        "head among them is where the head begins"),
         "FILE");
  option(app.add_option("--train", o.train, "What learns: head, tokenizer, encoder")->capture_default_str(), "LIST");
  option(app.add_option("--train-encoder", o.encoder_scope,
                        "What of the encoder learns: all, norms, biases, or lora:RANK beside the attention's weights"),
         "WHAT");
  option(app.add_option("--train-blocks", o.blocks, "Blocks of the encoder that learn, counted from 0; else all"),
         "A-B");
  app.add_flag("--new-tokenizer", s.new_tokenizer, "Pictures: begin with a fresh tokenizer, not the model's")
      ->group(kGroup);
  option(
      app.add_option("--pool", o.pool, "cls, mean, max or eot; else what the model says, else cls where there is one")
          ->check(CLI::IsMember({"cls", "mean", "max", "eot"})),
      "KIND");
  option(app.add_option("--tokenizer-rate", s.tokenizer_rate, "Highest rate of the tokenizer; else --learning-rate")
             ->check(CLI::Range(0.0, 1e6)),
         "X");
  option(app.add_option("--encoder-rate", s.encoder_rate, "Highest rate of the encoder; else --learning-rate")
             ->check(CLI::Range(0.0, 1e6)),
         "X");
  option(app.add_option("--layer-decay", s.layer_decay, "Rate of a block, as a share of that of the block above it")
             ->check(CLI::Range(1e-3, 1.0))
             ->capture_default_str(),
         "X");
  option(app.add_option("--ema", o.ema, "Keep a moving average of what learns, of this decay; 0 is off")
             ->check(CLI::Range(0.0, 0.999999))
             ->capture_default_str(),
         "X");
  option(app.add_option(
             "--augment", o.augment,
             "Vary samples while training: some of crop:SHARE, flip, shift:X, rotate, noise:X, gain:X, mask:SHARE, "
             "drop:SHARE, mixup:ALPHA, cutmix:ALPHA"),
         "LIST");
  option(app.add_option("--stochastic-depth", s.encoder.stochastic_depth,
                        "Chance of the last block's branches to be left out while training; earlier ones less")
             ->check(CLI::Range(0.0, 0.99))
             ->capture_default_str(),
         "P");
  option(app.add_option("--budget", s.budget, "Tokens computed at once: a larger batch is taken in pieces")
             ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
             ->capture_default_str(),
         "TOKENS");
  option(app.add_option("--recompute", o.recompute,
                        "Compute activations twice to save memory: always, never, or auto, as --memory asks")
             ->check(CLI::IsMember({"auto", "always", "never"}))
             ->capture_default_str(),
         "WHEN");
  option(app.add_option("--dtype", o.dtype,
                        "Products with the encoder's weights: f32, or bf16 with sums and learned weights in float32")
             ->check(CLI::IsMember({"f32", "bf16"}))
             ->capture_default_str(),
         "TYPE");
}

void refuse_end_to_end_options(const CLI::App& app) {
  for (const char* name : kOptions) {
    if (app.count(name) > 0)
      throw UsageError(name, "has no effect on cached features", "it belongs to patches and --model");
  }
}

cli::Outcome train_end_to_end(const EndToEndOptions& options, const HeadTrainingSettings& head,
                              const SessionOptions& session) {
  const EndToEndSettings settings = settings_of(options, head);
  ThreadPool pool(thread_count(session.common.threads));
  cli::ProgressBar bar("mt-train-head", "train", session.common, "samples seen");
  ModelOverrides overrides;
  overrides.seed = session.common.seed;
  EndToEndTraining training(settings, load_models(options.models, overrides, bar, true), pool, bar);
  if (session.dry_run) {
    const nlohmann::json plan = training.plan();
    if (session.common.json)
      std::cout << plan.dump(2) << "\n";
    else
      print_plan(plan);
    return cli::Outcome::done;
  }
  return run_session(session, training.run(), bar, [&](Watch& watch) {
    TrainedModel trained = training.train(watch);
    std::string line = summary(trained.metrics);
    return Trained{std::move(trained.model), std::move(trained.metrics), std::move(line)};
  });
}

}  // namespace mt::train_head
