#include "tokenize/series.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "decode/series/series_source.h"
#include "tokenize/series/series_samples.h"

namespace mt::tokenize {

namespace {

struct SeriesCommand {
  SequenceOptions sequence;
  SeriesSourceOptions source;
  std::string ids = "path", columns, targets, embedding, cls, calendar = "auto", missing = "reject";
  std::string split = "all", split_lengths = "0.7,0.1,0.2", channels;
  std::size_t context = 0, max_tokens = 0;
};

std::vector<std::string> names_in(const std::string& list) {
  std::vector<std::string> names;
  if (list.empty()) return names;
  for (const std::string_view name : split(list, ',')) names.emplace_back(trimmed(name));
  return names;
}

void add_input_options(CLI::App& app, SeriesCommand& o) {
  app.add_option("INPUT", o.source.inputs,
                 "Files of series (.ts, .arff, .tsv, .npy, .npz), CSV recordings, directories");
  const auto input = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Input");
  };
  input("--columns", o.columns, "NAME,NAME", "Columns of a recording that hold values; else all others");
  input("--time-column", o.source.columns.time, "NAME",
        "Column of dates or seconds; else date, time, datetime or timestamp where there is one; none");
  input("--label-column", o.source.columns.label, "NAME", "Column of a recording that holds the class of each row");
  input("--labels", o.source.labels, "FILE", "Classes of an array's series: NPY, NPZ or CSV");
  input("--array", o.source.array, "NAME", "Array of an NPZ file that has several");
  input("--label-array", o.source.label_array, "NAME", "Array of an NPZ file that holds the classes");
  app.add_flag("--channels-first", o.source.channels_first, "Arrays are [series, channels, steps]")->group("Input");
  input("--missing", o.missing, "reject|interpolate", "Series with missing values: rejected, or filled in between")
      ->check(CLI::IsMember({"reject", "interpolate"}))
      ->capture_default_str();
  input("--ids", o.ids, "path|stem", "Sample ids with or without the file's extension")
      ->check(CLI::IsMember({"path", "stem"}))
      ->capture_default_str();
}

void add_window_options(CLI::App& app, const SeriesKind& kind, SeriesCommand& o) {
  const auto window = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Windows");
  };
  const CLI::Range steps(std::size_t{1}, std::size_t{1} << 24);
  window("--window", o.source.window.steps, "STEPS", "Cut recordings into windows of so many steps")->check(steps);
  window("--stride", o.source.window.stride, "STEPS",
         kind.forecasts ? "Between the starts of two windows; else a window, 1 for forecasts"
                        : "Between the starts of two windows; else a window")
      ->check(steps);
  window("--label-rule", o.source.window.label, "majority|last", "Which row's class a window has")
      ->check(CLI::IsMember({"majority", "last"}))
      ->capture_default_str();
  app.add_flag("--across-gaps", o.source.window.across_gaps, "Take windows whose times have a gap too")
      ->group("Windows");
  window("--split", o.split, "PART", "Part of each recording in time: all, train, val or test")
      ->check(CLI::IsMember({"all", "train", "val", "test"}))
      ->capture_default_str();
  window("--split-lengths", o.split_lengths, "A,B,C", "Of train, val and test: shares, or months:A,B,C of 30 days each")
      ->capture_default_str();
  if (!kind.forecasts) return;
  window("--context", o.context, "STEPS", "Forecasts: steps that are seen")->check(steps);
  window("--horizon", o.source.window.horizon, "STEPS", "Forecasts: steps behind them, to be predicted")->check(steps);
  window("--targets", o.targets, "NAME,NAME", "Forecasts: columns that are predicted; else all");
  window("--channels", o.channels, "together|apart",
         "Forecasts: a sample holds all channels, or each is a sample of its own; else apart with --embedding patch")
      ->check(CLI::IsMember({"together", "apart"}));
}

void add_token_options(CLI::App& app, const SeriesKind& kind, SeriesCommand& o) {
  add_sequence_options(app, o.sequence);
  const auto model = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Model");
  };
  model("--embedding", o.embedding, "KIND",
        "With --fit: step (3 steps around each), patch (16 every 8, each channel alone), block (8 every 8) or conv (10 "
        "every step)")
      ->check(CLI::IsMember({"step", "patch", "block", "conv"}))
      ->default_str(kind.embedding);
  model("--cls", o.cls, "yes|no", "With --fit: a class token in front of each sequence")
      ->check(CLI::IsMember({"yes", "no"}))
      ->default_str(kind.cls ? "yes" : "no");
  if (kind.forecasts) {
    model("--calendar", o.calendar, "auto|no",
          "With --fit: hour, weekday, day of month and of year beside the values, where rows have dates; step only")
        ->check(CLI::IsMember({"auto", "no"}))
        ->capture_default_str();
  }
  model("--max-tokens", o.max_tokens, "N", "Leave out the end of longer sequences; they are counted")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 24));
}

// What can be known before anything is read; fills the source's options in.
void complete(const SeriesKind& kind, SeriesCommand& o) {
  check(o.sequence);
  WindowOptions& window = o.source.window;
  if ((o.context > 0) != (window.horizon > 0))
    throw UsageError(o.context > 0 ? "--horizon" : "--context", "is missing", "forecasts need both");
  if (o.context > 0 && window.steps > 0)
    throw UsageError("--window", "and --context were both given", "forecasts take --context");
  if (o.context > 0) window.steps = o.context;
  if (window.horizon == 0 && (!o.targets.empty() || !o.channels.empty()))
    throw UsageError(o.targets.empty() ? "--channels" : "--targets", "belongs to forecasts",
                     "give --context, --horizon");
  o.source.columns.values = names_in(o.columns);
  o.source.id_stem = o.ids == "stem";
  set_lengths(o.source.split, o.split_lengths);
  o.source.split.part = time_part_named(o.split);
  const bool held_out = o.split == "val" || o.split == "test";
  if (!o.sequence.fit.empty() && held_out) {
    throw UsageError("--fit", fmt::format("statistics come from training data, not from --split {}", o.split),
                     "--split train with --fit, then --model");
  }
  if (o.embedding.empty()) o.embedding = kind.embedding;
}

std::vector<std::size_t> target_channels(const SeriesCommand& o, const SeriesSource& source) {
  std::vector<std::size_t> channels;
  const std::vector<std::string>& names = source.channel_names();
  for (const std::string& name : names_in(o.targets)) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      const std::string near = nearest(name, names);
      throw UsageError("--targets", fmt::format("\"{}\" is none of the columns {}", printable(name), listed(names)),
                       near.empty() ? "" : fmt::format("did you mean {}?", printable(near)));
    }
    channels.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  return channels;
}

// Which part of a split was taken is no setting: it does not change a sample.
nlohmann::json window_config(const WindowOptions& window, bool labels) {
  nlohmann::json config = {{"window", window.steps}, {"across_gaps", window.across_gaps}};
  if (window.stride > 0) config["stride"] = window.stride;
  if (labels && window.horizon == 0) config["label_rule"] = window.label;
  return config;
}

cli::Outcome tokenize_series(const SeriesKind& kind, SeriesCommand o) {
  complete(kind, o);
  cli::ProgressBar progress("mt-tokenize", "tokenize", o.sequence.session.common);
  const auto source = SeriesSource::open(o.source);
  SeriesOptions options;
  options.missing = o.missing == "reject" ? MissingValues::reject : MissingValues::interpolate;
  options.max_tokens = o.max_tokens;
  options.targets = target_channels(o, *source);
  const auto apart = [&](const SeriesPatching& patching) {
    if (o.channels == "apart" && !patching.separate)
      throw UsageError("--channels", "apart needs an embedding that knows one channel", "--embedding patch");
    return source->horizon() > 0 && patching.separate && o.channels != "together";
  };

  TokenizerRecipe recipe;
  recipe.modality = kind.modality;
  recipe.fitted = true;
  recipe.make = [&] {
    const SeriesPatching patching = series_patching_named(o.embedding);
    const bool steps = patching.stride == 1 && patching.ends == SeriesPatching::Ends::circular;
    SeriesOptions fit = options;
    fit.channels_apart = apart(patching);
    return fit_series(*source, kind.modality, patching,
                      kind.forecasts && steps && source->has_calendar() && o.calendar == "auto",
                      o.cls.empty() ? kind.cls : o.cls == "yes", fit);
  };
  recipe.initialise = initialise_series_embedding;
  const Tokenizer tokenizer = choose_tokenizer(recipe, o.sequence, progress);
  SeriesTokenization tokenization = series_tokenization_of(tokenizer.part);
  options.channels_apart = apart(tokenization.patching);

  const SeriesSamples samples(*source, std::move(tokenization), options);
  Schema schema = samples.schema();
  if (o.source.window.steps > 0) schema.config.update(window_config(o.source.window, source->has_labels()));
  std::vector<std::string> inputs = o.source.inputs;
  if (!o.source.labels.empty()) inputs.push_back(o.source.labels);
  const auto rows = tokenizer.part.config.value("longest", std::size_t{100});
  const cli::Outcome outcome = run_sequences(samples, schema, tokenizer, rows, inputs, o.sequence, progress);
  if (samples.truncated() > 0)
    progress.note(fmt::format("{} samples were cut to {} tokens", samples.truncated(), o.max_tokens));
  return outcome;
}

}  // namespace

cli::Action describe_series(CLI::App& app, const SeriesKind& kind) {
  const auto options = std::make_shared<SeriesCommand>();
  add_input_options(app, *options);
  add_token_options(app, kind, *options);
  add_window_options(app, kind, *options);
  add_run_options(app, options->sequence.session);
  return [kind, options] { return tokenize_series(kind, *options); };
}

}  // namespace mt::tokenize
