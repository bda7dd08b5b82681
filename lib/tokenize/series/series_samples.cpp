#include "tokenize/series/series_samples.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "decode/series/calendar.h"
#include "tokenize/linear_embedding.h"
#include "tokenize/sequence_frame.h"
#include "tokenize/token_embedding.h"

namespace mt {

namespace {

constexpr std::size_t kMostPlaces = std::size_t{1} << 20;

// Fills what is missing in one channel; false when nothing is there.
bool fill_gaps(std::span<float> values, std::size_t channels, std::size_t channel) {
  const std::size_t steps = values.size() / channels;
  const auto at = [&](std::size_t t) -> float& { return values[t * channels + channel]; };
  std::size_t known = steps;  // the last step with a value
  for (std::size_t t = 0; t < steps; ++t) {
    if (std::isnan(at(t))) continue;
    const std::size_t begin = known == steps ? 0 : known + 1;
    for (std::size_t gap = begin; gap < t; ++gap) {
      const double share = known == steps ? 1.0 : static_cast<double>(gap - known) / static_cast<double>(t - known);
      const float before = known == steps ? at(t) : at(known);
      at(gap) = static_cast<float>(static_cast<double>(before) * (1 - share) + static_cast<double>(at(t)) * share);
    }
    known = t;
  }
  if (known == steps) return false;
  for (std::size_t gap = known + 1; gap < steps; ++gap) at(gap) = at(known);
  return true;
}

Tensor column_of(const Tensor& values, std::size_t channel) {
  Tensor column(DType::f32, {values.rows(), 1});
  for (std::size_t t = 0; t < values.rows(); ++t) column.as<float>()[t] = values.row<float>(t)[channel];
  return column;
}

// The longest series, in steps, that gives no more than this many patches.
std::size_t steps_for(const SeriesPatching& patching, std::size_t patches) {
  const std::size_t more = patching.patches(patching.kernel) - 1;  // what the ends add, in patches
  const std::size_t lengthened = (patches - 1) * patching.stride + patching.kernel;
  return lengthened - std::min(lengthened, more * patching.stride);
}

}  // namespace

std::size_t SeriesTokenization::row_width() const {
  return patching.columns(scale.channels()) + (calendar ? kCalendarFields : 0);
}

Part to_part(const SeriesTokenization& tokenization) {
  Part part;
  part.config = {{"modality", tokenization.modality},
                 {"channels", tokenization.scale.channels()},
                 {"patches", to_json(tokenization.patching)},
                 {"calendar", tokenization.calendar}};
  if (!tokenization.channel_names.empty()) part.config["channel_names"] = tokenization.channel_names;
  store_scale(tokenization.scale, part);
  return part;
}

SeriesTokenization series_tokenization_of(const Part& part) {
  const std::string where = tokenizer_where(part);
  SeriesTokenization tokenization;
  tokenization.scale = scale_of(part);
  try {
    tokenization.modality = part.config.at("modality").get<std::string>();
    tokenization.calendar = part.config.value("calendar", false);
    tokenization.channel_names = part.config.value("channel_names", std::vector<std::string>());
    tokenization.patching = series_patching_of(part.config.at("patches"), where);
  } catch (const nlohmann::json::exception&) {
    throw Error(where, "its configuration lacks the patches or is damaged", "fit it again");
  }
  if (tokenization.scale.channels() == 0) throw Error(where, "has no channels", "fit it again");
  return tokenization;
}

SeriesSamples::SeriesSamples(const SeriesSource& source, SeriesTokenization tokenization, SeriesOptions options)
    : source_(source),
      tokenization_(std::move(tokenization)),
      options_(std::move(options)),
      targets_(options_.targets) {
  const std::size_t channels = tokenization_.scale.channels();
  if (source.channels() != channels) {
    throw Error("",
                fmt::format("the inputs have {} channels, the tokenizer was fitted on {}", source.channels(), channels),
                "fit another with --fit");
  }
  if (!tokenization_.channel_names.empty() && !source.channel_names().empty() &&
      tokenization_.channel_names != source.channel_names()) {
    throw Error("",
                fmt::format("the inputs' columns are {}, the tokenizer was fitted on {}",
                            listed(source.channel_names()), listed(tokenization_.channel_names)),
                "name the same with --columns");
  }
  if (tokenization_.calendar && !source.has_calendar())
    throw Error("", "the tokenizer takes calendar features, the inputs have no dates", "name them with --time-column");
  if (targets_.empty()) {
    targets_.resize(channels);
    for (std::size_t c = 0; c < channels; ++c) targets_[c] = c;
  }
}

std::string SeriesSamples::channel_name(std::size_t channel) const {
  const std::vector<std::string>& names = source_.channel_names();
  return names.empty() ? fmt::to_string(channel) : percent_escaped(names[channel]);
}

std::string SeriesSamples::id(std::size_t i) const {
  const std::string window = source_.id(i / apart());
  return options_.channels_apart ? fmt::format("{}:{}", window, channel_name(targets_[i % apart()])) : window;
}

std::vector<std::string> SeriesSamples::target_names() const {
  std::vector<std::string> names;
  for (std::size_t step = 1; step <= source_.horizon(); ++step) {
    if (options_.channels_apart) {
      names.push_back(fmt::format("+{}", step));
      continue;
    }
    for (const std::size_t channel : targets_) names.push_back(fmt::format("{}+{}", channel_name(channel), step));
  }
  if (source_.horizon() == 0 && source_.has_targets()) names.emplace_back("target");
  return names;
}

Schema SeriesSamples::schema() const {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = tokenization_.modality;
  schema.width = tokenization_.row_width();
  schema.has_labels = has_labels();
  if (schema.has_labels) schema.label_names = source_.label_names();
  schema.target_names = target_names();
  schema.target_width = schema.target_names.size();
  schema.has_centers = schema.has_grid = true;
  schema.positions = schema.pre_norm = false;
  schema.config = {{"modality", tokenization_.modality},
                   {"patches", to_json(tokenization_.patching)},
                   {"missing", options_.missing == MissingValues::reject ? "reject" : "interpolate"}};
  if (tokenization_.calendar) schema.config["calendar"] = true;
  if (options_.max_tokens > 0) schema.config["max_tokens"] = options_.max_tokens;
  if (source_.horizon() > 0) {
    schema.config["horizon"] = source_.horizon();
    schema.config["channels_apart"] = options_.channels_apart;
    schema.config["targets"] = targets_;
  }
  return schema;
}

std::size_t SeriesSamples::longest() const {
  std::size_t most = 0;
  for (std::size_t i = 0; i < source_.size(); ++i) {
    throw_if_interrupted();
    try {
      most = std::max(most, tokenization_.patching.rows(source_.load(i).values.rows(), sequences()));
    } catch (const Error&) {
      continue;
    }
  }
  return options_.max_tokens > 0 ? std::min(most, options_.max_tokens) : most;
}

Batch SeriesSamples::empty_batch() const {
  Batch batch;
  batch.rows = Tensor(DType::f32, {0, tokenization_.row_width()});
  batch.centers = Tensor(DType::f32, {0, 3});
  batch.grid = Tensor(DType::i32, {0, 3});
  const Schema schema = this->schema();
  if (schema.target_width > 0) batch.targets = Tensor(DType::f32, {0, schema.target_width});
  return batch;
}

// Missing values are told or filled, then everything is scaled. what: "value" or "value to predict", for errors.
void SeriesSamples::prepare(Tensor& values, std::string_view what) const {
  const std::size_t channels = values.columns();
  const std::span<float> all = values.as<float>();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (std::isfinite(all[i])) continue;
    const std::size_t channel = i % channels;
    const std::string place = fmt::format("its {} of channel {} at step {}", what, channel_name(channel), i / channels);
    if (!std::isnan(all[i])) throw Error("", place + " is infinite", "correct it");
    if (options_.missing == MissingValues::reject)
      throw Error("", place + " is missing", "--missing interpolate fills gaps");
    if (!fill_gaps(all, channels, channel))
      throw Error("", fmt::format("channel {} has no {} at all", channel_name(channel), what), "leave it out");
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = tokenization_.scale(all[i], i % channels);
    if (!std::isfinite(all[i]))
      throw Error(
          "", fmt::format("its value of channel {} at step {} is too large", channel_name(i % channels), i / channels),
          "correct it");
  }
}

void SeriesSamples::append_rows(const Tensor& values, const SeriesSource::Loaded& loaded, Batch& batch) const {
  const SeriesPatching& patching = tokenization_.patching;
  const std::size_t steps = values.rows(), channels = values.columns(), width = tokenization_.row_width();
  const std::size_t patches = patching.patches(steps), rows = patching.rows(steps, channels);
  if (rows == 0)
    throw Error("", fmt::format("has {} steps, too few for a patch of {}", steps, patching.kernel), "leave it out");
  const std::size_t before = batch.rows.rows();
  batch.rows.resize_rows(before + rows);
  cut_series(values, patching, batch.rows.as<float>().data() + before * width, width);
  batch.centers.resize_rows(before + rows);
  const double interval_s = loaded.times_ms.size() < 2
                                ? 1.0
                                : static_cast<double>(loaded.times_ms.back() - loaded.times_ms.front()) / 1000 /
                                      static_cast<double>(loaded.times_ms.size() - 1);
  for (std::size_t row = 0; row < rows; ++row) {
    const auto center = batch.centers.row<float>(before + row);
    center[0] = static_cast<float>(middle_step(patching, row % patches) * interval_s);
    center[1] = static_cast<float>(row / patches);
    if (!tokenization_.calendar) continue;
    const auto fields = calendar_features(loaded.times_ms[row]);
    std::copy(fields.begin(), fields.end(), batch.rows.row<float>(before + row).last(kCalendarFields).begin());
  }
  const std::size_t sample = batch.grid.rows();
  batch.grid.resize_rows(sample + 1);
  const auto grid = batch.grid.row<std::int32_t>(sample);
  grid[0] = patching.separate ? 1 : static_cast<std::int32_t>(patches);
  grid[1] = patching.separate ? static_cast<std::int32_t>(channels) : 1;
  grid[2] = patching.separate ? static_cast<std::int32_t>(patches) : 1;
}

void SeriesSamples::append_targets(const Tensor& future, std::span<const std::size_t> channels, Batch& batch) const {
  const std::size_t sample = batch.targets.rows();
  batch.targets.resize_rows(sample + 1);
  auto to = batch.targets.row<float>(sample).begin();
  for (std::size_t step = 0; step < future.rows(); ++step) {
    for (const std::size_t channel : channels) *to++ = future.row<float>(step)[channel];
  }
}

// To as many steps as give no more than max_tokens rows.
void SeriesSamples::shorten(Tensor& values) const {
  const SeriesPatching& patching = tokenization_.patching;
  const std::size_t most = options_.max_tokens / sequences();
  if (most == 0)
    throw Error("", fmt::format("{} tokens are too few for {} channels", options_.max_tokens, sequences()),
                "raise --max-tokens");
  if (patching.patches(values.rows()) <= most) return;
  values.resize_rows(steps_for(patching, most));
  ++truncated_;
}

Digest SeriesSamples::make(std::size_t i, Batch& batch) const {
  SeriesSource::Loaded loaded = source_.load(i / apart());
  Tensor values = std::move(loaded.values);
  const std::size_t channel = targets_[i % apart()];
  if (options_.max_tokens > 0) shorten(values);
  prepare(values, "value");
  if (source_.horizon() > 0) {
    prepare(loaded.future, "value to predict");
    const std::span<const std::size_t> all(targets_);
    append_targets(loaded.future, options_.channels_apart ? all.subspan(i % apart(), 1) : all, batch);
  } else if (source_.has_targets()) {
    batch.targets.resize_rows(batch.targets.rows() + 1);
    batch.targets.as<float>().back() = loaded.target;
  }
  append_rows(options_.channels_apart ? column_of(values, channel) : values, loaded, batch);
  return loaded.digest;
}

Part fit_series(const SeriesSource& source, const std::string& modality, const SeriesPatching& patching, bool calendar,
                bool cls, const SeriesOptions& options) {
  ChannelMoments moments(source.channels());
  source.for_each_training_block([&](const Tensor& block) { moments.add(block.as<float>().data(), block.rows()); });
  SeriesTokenization tokenization;
  tokenization.modality = modality;
  tokenization.patching = patching;
  tokenization.scale = moments.scale(ScaleKind::zscore, "training data");
  tokenization.channel_names = source.channel_names();
  tokenization.calendar = calendar;
  Part part = to_part(tokenization);
  part.config["cls"] = cls;
  part.config["longest"] = SeriesSamples(source, std::move(tokenization), options).longest();
  return part;
}

void initialise_series_embedding(Part& part, std::size_t width, std::uint64_t seed) {
  const SeriesTokenization tokenization = series_tokenization_of(part);
  const SeriesPatching& patching = tokenization.patching;
  add_initial_projection(part, width, tokenization.row_width(), false, seed);
  if (patching.stride == patching.kernel) {
    Tensor gain(DType::f32, {width});
    std::ranges::fill(gain.as<float>(), 1.0F);
    part.tensors["norm.weight"] = std::move(gain);
    part.tensors["norm.bias"] = Tensor(DType::f32, {width});
  }
  const bool learned = patching.ends == SeriesPatching::Ends::cut;
  const std::size_t places = learned ? part.config.value("longest", std::size_t{0}) : 0;
  if (learned && places == 0)
    throw Error(tokenizer_where(part), "was fitted on nothing that is long enough for a patch");
  require_within(places, kMostPlaces, tokenizer_where(part), "the table of positions");
  add_initial_frame(part, width, part.config.value("cls", false) ? 1 : 0, places, seed);
  if (!learned) part.config["positions"] = "sinusoid";
}

}  // namespace mt
