// mt-encode: turn tokens into features with a frozen encoder.
#include <chrono>
#include <iostream>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/common_options.h"
#include "cli/device_option.h"
#include "cli/progress_bar.h"
#include "cli/resume_hint.h"
#include "cli/run.h"
#include "encoder/encode_plan.h"
#include "encoder/encode_stream.h"
#include "encoder/model_source.h"
#include "heads/head.h"

using namespace mt;

namespace {

struct Options {
  cli::CommonOptions common;
  cli::OutputOptions output;
  cli::ShardOptions shard;
  ModelOverrides overrides;
  std::vector<std::string> tokens, models;
  std::string pool, dtype = "f32", device = "cpu", positions, cls;
  std::optional<std::size_t> layers, budget;
  bool norm = false, no_projection = false, strict = false, dry_run = false, profile = false, allow_mixed = false;
  std::size_t merge = 0;
};

void describe(CLI::App& app, Options& o) {
  app.add_option("TOKENS", o.tokens, "Files of tokens from mt-tokenize; \"-\" is standard input")
      ->required()
      ->group("Input");
  app.add_option("--model", o.models, "Model file or checkpoint with the encoder; may be given twice")
      ->option_text("FILE")
      ->required()
      ->group("Model");
  cli::add_model_override_options(app, o.overrides);
  app.add_option("--dtype", o.dtype, "Precision of the products: f32, bf16, int8 (CPU) or f16 (cards)")
      ->option_text("TYPE")
      ->check(CLI::IsMember({"f32", "bf16", "int8", "f16"}))
      ->capture_default_str()
      ->group("Model");
  app.add_option("--pool", o.pool,
                 "cls, mean, max, tokens or eot; else what the model says, else cls where there is one")
      ->option_text("KIND")
      ->check(CLI::IsMember({"cls", "mean", "max", "tokens", "eot"}))
      ->group("Features");
  app.add_option("--layers", o.layers, "Stop after K blocks, without norm and projection")
      ->option_text("K")
      ->group("Features");
  app.add_flag("--norm", o.norm, "With --layers: apply the final norm and the projection all the same")
      ->group("Features");
  app.add_flag("--no-projection", o.no_projection, "Leave the model's projection out")->group("Features");
  app.add_option("--merge", o.merge, "Join R pairs of similar tokens in each block (faster, a little less exact)")
      ->option_text("R")
      ->capture_default_str()
      ->group("Features");
  app.add_option("--positions", o.positions, "Add positions to tokens that have none: sincos")
      ->option_text("KIND")
      ->check(CLI::IsMember({"sincos"}))
      ->group("Input");
  app.add_option("--cls", o.cls, "Put a class token before tokens that have none: zero, or the one of a model file")
      ->option_text("zero|FILE")
      ->group("Input");
  app.add_flag("--strict", o.strict, "Stop at the first sample without features, and at tokens of another tokenizer")
      ->group("Input");
  app.add_option("--device", o.device, "What computes: cpu, cuda, or the cards cuda:0,1")
      ->option_text("DEVICE")
      ->capture_default_str()
      ->group("Speed");
  app.add_option("--budget", o.budget, "Tokens of one batch (else 4096, or what suits the card)")
      ->option_text("TOKENS")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->group("Speed");
  app.add_flag("--profile", o.profile, "Say on standard error where the time went, by kind of layer")->group("Speed");
  app.add_flag("--dry-run", o.dry_run, "Say samples, tokens, bytes and the time it would take; write nothing")
      ->group("Output");
  cli::add_output_options(app, o.output);
  app.add_flag("--allow-mixed", o.allow_mixed, "With --resume: go on in another precision or on another device")
      ->group("Output");
  cli::add_shard_options(app, o.shard);
  cli::add_common_options(app, o.common);
}

void check_usage(const Options& o) {
  if (std::count(o.tokens.begin(), o.tokens.end(), "-") > 1)
    throw UsageError("TOKENS", "standard input is given twice");
  if (o.merge > 0 && (o.pool == "tokens" || o.pool == "eot")) {
    throw UsageError("--merge", fmt::format("merged tokens do not give --pool {}", o.pool), "use cls, mean or max");
  }
  cli::shard_of(o.shard);
  if (!o.shard.shard.empty() && o.tokens.size() > 1) {
    throw UsageError("--shard", "is of one file of tokens", "join them with mt-cat, or give each process its own");
  }
  if (o.norm && !o.layers) throw UsageError("--norm", "means something only with --layers");
  if (o.allow_mixed && !o.output.resume) throw UsageError("--allow-mixed", "means something only with --resume");
  if (cli::device_named(o.device).cards) {
    if (o.merge > 0) throw UsageError("--merge", "cards do not merge tokens", "leave it out, or use --device cpu");
    if (o.dtype == "int8") {
      throw UsageError("--dtype int8", "cards compute in f32, bf16 or f16", "--dtype bf16, or --device cpu");
    }
    if (o.profile) throw UsageError("--profile", "times the layers of the CPU", "use --device cpu");
  }
  if (o.common.json && o.output.output == "-") throw UsageError("--json", "standard output already takes the features");
  if (o.dry_run && std::count(o.tokens.begin(), o.tokens.end(), "-") > 0) {
    throw UsageError("--dry-run", "standard input cannot be measured without using it up", "name a file");
  }
}

// The class token of the model file that --cls names.
std::vector<float> cls_of(const std::string& name, std::size_t width, Progress& progress) {
  if (name == "zero") return std::vector<float>(width, 0.0f);
  const Model model = load_model(name, {}, progress);
  for (const auto& [part_name, part] : model.parts) {
    if (!part_name.starts_with("tokenizer/") || !part.has("cls")) continue;
    const Tensor cls = part.at("cls").to(DType::f32);
    if (cls.size() != width) {
      throw Error(printable(name), fmt::format("its class token has {} values, the tokens {}", cls.size(), width));
    }
    return {cls.as<float>().begin(), cls.as<float>().end()};
  }
  throw Error(printable(name), "it holds no class token", "--cls zero");
}

TokenAdditions additions_of(const Options& o, const Schema& tokens, Progress& progress) {
  TokenAdditions additions;
  if (!o.positions.empty() && tokens.positions) throw Error("--positions", "these tokens have positions already");
  if (!o.cls.empty() && tokens.prefix > 0) throw Error("--cls", "these tokens have a class token already");
  additions.sincos = !o.positions.empty();
  if (!o.cls.empty()) additions.cls = cls_of(o.cls, tokens.width, progress);
  if (!tokens.positions && !additions.sincos) {
    progress.note("the tokens have no positions, so their order is not seen (--positions sincos adds some)");
  }
  return additions;
}

// --pool, else what the model's head learned with, else what its encoder says.
Pooling pooling_of(const Options& o, const Model& model, std::size_t prefix, Progress& progress) {
  if (!o.pool.empty()) {
    const Pooling pooling = pooling_named(o.pool);
    if (pooling == Pooling::cls && prefix == 0)
      throw Error("--pool cls", "these tokens have no class token", "--pool mean, or --cls zero");
    return pooling;
  }
  if (model.has("head")) {
    const std::string pool = head_input_from(model.part("head").config).pool;
    if (!pool.empty()) {
      progress.note(fmt::format("pooling {}, as the model's head learned it", pool));
      return pooling_named(pool);
    }
  }
  if (prefix == 0) progress.note("the tokens have no class token: pooling their mean");
  return usual_pooling(model.part("encoder"), prefix);
}

// Tokens remember the tokenizer that made them; the model's own should be the same.
void check_tokenizer(const Options& o, const SampleReader& reader, const Model& model, Progress& progress) {
  const Schema& tokens = reader.schema();
  const std::string part = "tokenizer/" + tokens.modality;
  if (tokens.source.empty() || !model.has(part)) return;
  if (hex(digest_of(model.part(part))) == tokens.source) return;
  const Error error(printable(reader.name()), "was made by another tokenizer than the model's",
                    "use the --model that made it");
  if (o.strict) throw error;
  progress.warn(error.what());
}

nlohmann::json config_of(const StreamOptions& stream, const cli::Executor& executor, const std::string& encoder_digest,
                         const Schema& tokens) {
  const Architecture& a = executor.encoder->architecture();
  nlohmann::json config;
  config["encoder"] = encoder_digest;
  config["pool"] = name_of(stream.encode.pooling);
  config["layers"] = stream.encode.layers.value_or(a.blocks);
  config["norm"] = norms(a, stream.encode);
  config["projection"] = projects(a, stream.encode);
  config["dtype"] = name_of(executor.precision);
  if (stream.encode.merge > 0) config["merge"] = stream.encode.merge;
  config["device"] = executor.device;
  if (stream.additions.sincos) config["positions"] = "sincos";
  if (stream.additions.cls) config["cls"] = hex(sha256(std::as_bytes(std::span(*stream.additions.cls))));
  config["tokens"] = tokens.config;
  return config;
}

std::int64_t samples_of(std::span<const std::unique_ptr<SampleReader>> readers) {
  std::int64_t total = 0;
  for (const auto& reader : readers) {
    if (!reader->samples()) return -1;
    total += *reader->samples();
  }
  return total;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Milliseconds a sample of each kind of layer, summed over threads; what is left of the time of all threads was spent
// in copies, in waiting for each other, for tokens and for the writer.
nlohmann::json profile_of(const Encoder& encoder, const StreamReport& report, double seconds, std::size_t threads) {
  const double per_sample = 1000 / static_cast<double>(std::max<std::int64_t>(1, report.samples));
  const LayerTimes times = encoder.layer_times();
  nlohmann::json layers = nlohmann::json::object();
  double computed = 0;
  for (std::size_t i = 0; i < kLayerKinds; ++i) {
    layers[std::string(name_of(static_cast<LayerKind>(i)))] = times[i] * per_sample;
    computed += times[i];
  }
  const double shared = report.computing_seconds * static_cast<double>(threads);
  return {{"threads", threads},
          {"seconds", seconds},
          {"ms_per_sample", layers},
          {"between_layers", std::max(0.0, shared - computed) * per_sample},
          {"waiting", std::max(0.0, seconds - report.computing_seconds) * static_cast<double>(threads) * per_sample}};
}

void print_profile(const nlohmann::json& profile) {
  double total = profile["between_layers"].get<double>() + profile["waiting"].get<double>();
  for (const auto& [name, ms] : profile["ms_per_sample"].items()) total += ms.get<double>();
  const auto line = [&](std::string_view name, double ms) {
    std::cerr << fmt::format("{:<20} {:>10.3f} ms {:>6.1f} %\n", name, ms, total > 0 ? 100 * ms / total : 0);
  };
  std::cerr << fmt::format("time of {} threads, a sample\n", profile["threads"].get<std::size_t>());
  for (std::size_t i = 0; i < kLayerKinds; ++i) {
    const std::string name(name_of(static_cast<LayerKind>(i)));
    line(name, profile["ms_per_sample"][name]);
  }
  line("between layers", profile["between_layers"]);
  line("waiting", profile["waiting"]);
  line("all", total);
}

void dry_run(const Options& o, std::span<const std::unique_ptr<SampleReader>> readers, Encoder& encoder,
             const StreamOptions& stream, const Schema& schema) {
  std::int64_t rows = 0;
  for (const auto& reader : readers) rows += reader->rows().value_or(0);
  const std::int64_t samples = samples_of(readers);
  double seconds = 0;
  // The first batch is encoded twice: once to warm up, once to time.
  if (auto batch = readers.front()->next(std::min<std::size_t>(stream.budget, 1024), 64);
      batch && batch->row_count() > 0) {
    encode_batch(*batch, encoder, stream);
    const auto start = std::chrono::steady_clock::now();
    encode_batch(*batch, encoder, stream);
    seconds = seconds_since(start) * static_cast<double>(rows) / static_cast<double>(batch->row_count());
  }
  const std::int64_t feature_rows = schema.ragged ? rows : samples;
  const std::uint64_t bytes = static_cast<std::uint64_t>(feature_rows) * schema.width * sizeof(float);
  if (o.common.json) {
    std::cout << nlohmann::json{{"samples", samples}, {"tokens", rows}, {"bytes", bytes}, {"seconds", seconds}}.dump()
              << '\n';
  } else {
    std::cout << fmt::format("{} samples, {} tokens, {} of features, about {:.0f} s\n", samples, rows,
                             human_bytes(bytes), seconds);
  }
}

void say_executor(const cli::Executor& executor, std::size_t threads, Progress& progress) {
  if (executor.device != "cpu") {
    progress.note(fmt::format("{}, {}", executor.device, name_of(executor.precision)));
    return;
  }
  const bool widened = executor.precision == Precision::bf16 && !narrows(kernels());
  progress.note(
      fmt::format("kernels for {}, {} on {} threads{}", name_of(machine_isa()), name_of(executor.precision), threads,
                  widened ? "; weights are widened to float32, this processor's bfloat16 products are slower" : ""));
}

cli::Outcome encode(const Options& o) {
  check_usage(o);
  cli::require_device(cli::device_named(o.device));
  cli::ProgressBar progress("mt-encode", "encode", o.common);
  std::vector<std::unique_ptr<SampleReader>> readers;
  const cli::Shard shard = cli::shard_of(o.shard);
  for (const std::string& name : o.tokens) readers.push_back(SampleReader::open_shard(name, shard.index, shard.count));
  const Schema& tokens = readers.front()->schema();

  std::optional<Model> model = load_models(o.models, o.overrides, progress);
  complete_digests(*model);
  const Part& part = model->part("encoder");
  require_tokens(readers, architecture_of(part).width);
  check_tokenizer(o, *readers.front(), *model, progress);
  StreamOptions stream;
  stream.strict = o.strict;
  stream.additions = additions_of(o, tokens, progress);
  stream.encode.prefix = tokens.prefix + (stream.additions.cls ? 1 : 0);
  stream.encode.pooling = pooling_of(o, *model, stream.encode.prefix, progress);
  stream.encode.layers = o.layers;
  stream.encode.norm = o.norm;
  stream.encode.projection = !o.no_projection;
  stream.encode.merge = o.merge;

  const Digest digest = digest_of(part);
  ThreadPool pool(thread_count(o.common.threads));
  const cli::Executor executor =
      cli::make_executor(cli::device_named(o.device), part, precision_named(o.dtype), pool, progress);
  const auto& encoder = executor.encoder;
  if (o.common.verbose) say_executor(executor, pool.size(), progress);
  model.reset();  // the encoder has its own copy of the weights
  stream.budget = o.budget.value_or(encoder->usual_budget());
  Schema schema = features_schema(readers, *encoder, stream);
  schema.creator = fmt::format("mt-encode {}", kVersion);
  schema.config = config_of(stream, executor, hex(digest), tokens);
  if (o.dry_run) {
    dry_run(o, readers, *encoder, stream, schema);
    return cli::Outcome::done;
  }

  cli::refuse_output_over_input(o.output.output, o.tokens);
  cli::refuse_output_over_input(o.output.output, o.models);
  WriteOptions write = cli::write_options(o.output);
  const std::int64_t total = samples_of(readers);
  write.mixing = {{"device", "dtype"}, o.allow_mixed};
  if (total >= 0) write.inputs = joint_inputs(readers);
  const auto writer = SampleWriter::create(o.output.output, schema, write);
  if (writer->already_done()) {
    progress.note(fmt::format("{} is there already, made from the same inputs in the same way", o.output.output));
    return cli::Outcome::done;
  }
  progress.total(total < 0 ? total : total - writer->resumed_samples());
  StreamReport report;
  double encoding = 0;
  cli::with_resume_hint(*writer, progress, [&] {
    const auto start = std::chrono::steady_clock::now();
    report = encode_stream(readers, *encoder, stream, *writer, progress);
    encoding = seconds_since(start);
    writer->finish(joint_inputs(readers));
  });
  progress.finish(o.output.output);
  nlohmann::json profile;
  if (o.profile) print_profile(profile = profile_of(*encoder, report, encoding, pool.size()));
  if (o.common.json) {
    nlohmann::json result{{"output", o.output.output},
                          {"samples", report.samples},
                          {"tokens", report.tokens},
                          {"rejected", report.rejected},
                          {"seconds", progress.seconds()}};
    if (o.profile) result["profile"] = profile;
    std::cout << result.dump() << '\n';
  }
  return report.rejected > 0 ? cli::Outcome::rejected : cli::Outcome::done;
}

}  // namespace

int main(int argc, char** argv) {
  const cli::About about{
      "mt-encode",
      "[options] TOKENS... -o FEATURES",
      "Turn tokens into features with a frozen encoder.",
      {"mt-encode photos.tokens.h5 --model b16.h5 -o photos.features.h5",
       "mt-tokenize image photos/ --model b16.h5 -o - | mt-encode - --model b16.h5 -o photos.features.h5",
       "mt-encode clouds.tokens.h5 --model random:tiny --pool tokens -o clouds.features.h5",
       "mt-encode photos.tokens.h5 --model b16.h5 --shard 0/4 -o photos.0.h5"},
      {"mt-tokenize(1)", "mt-train-head(1)", "mt-eval(1)", "mt-inspect(1)", "mt-convert(1)", "mt-format(5)"}};
  return cli::run(about, argc, argv, [](CLI::App& app) -> cli::Action {
    auto options = std::make_shared<Options>();
    describe(app, *options);
    return [options] { return encode(*options); };
  });
}
