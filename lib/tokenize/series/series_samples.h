// Time series as samples of patches: scaled, gaps handled, cut; what the pipeline calls for time series and IMU.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "decode/series/series_source.h"
#include "store/model.h"
#include "store/schema.h"
#include "tokenize/channel_scale.h"
#include "tokenize/pipeline.h"
#include "tokenize/series/series_patches.h"

namespace mt {

enum class MissingValues : std::uint8_t {
  reject,       // the sample
  interpolate,  // linearly between the neighbours in time; the ends take the nearest value
};

// What a "tokenizer/time-series" or "tokenizer/imu" part fixes for all data, training and test alike. Tensors
// scale.shift|factor [channels]; configuration: modality, channels, channel_names, patches (SeriesPatching), calendar.
struct SeriesTokenization {
  std::string modality = "time-series";
  SeriesPatching patching;
  ChannelScale scale;
  std::vector<std::string> channel_names;  // of the training data, or empty
  bool calendar = false;                   // calendar features behind the values of each row

  std::size_t row_width() const;
};
Part to_part(const SeriesTokenization& tokenization);
SeriesTokenization series_tokenization_of(const Part& part);  // throws Error

struct SeriesOptions {
  MissingValues missing = MissingValues::reject;
  std::size_t max_tokens = 0;        // of a sequence, what is behind them is left out; 0: all
  bool channels_apart = false;       // with a horizon: each channel a sample of its own
  std::vector<std::size_t> targets;  // with a horizon: channels that are predicted; empty: all
};

class SeriesSamples : public SampleMaker {
 public:
  // The source must outlive this. Throws Error when its channels are not the tokenizer's.
  SeriesSamples(const SeriesSource& source, SeriesTokenization tokenization, SeriesOptions options);

  // Kind, columns, labels, and as configuration what decides the rows; creator and source are the caller's.
  Schema schema() const;
  // Rows of the longest of all samples; those that cannot be read do not count.
  std::size_t longest() const;
  std::size_t truncated() const { return truncated_; }  // samples cut by max_tokens so far

  std::size_t size() const override { return source_.size() * apart(); }
  std::string id(std::size_t i) const override;
  bool has_labels() const override { return source_.has_labels() && source_.horizon() == 0; }
  std::int32_t label(std::size_t i) const override { return source_.label(i / apart()); }
  Digest digest(std::size_t i) const override { return source_.digest(i / apart()); }
  Batch empty_batch() const override;
  Digest make(std::size_t i, Batch& batch) const override;

 private:
  std::size_t apart() const { return options_.channels_apart ? targets_.size() : 1; }
  std::size_t sequences() const {
    return tokenization_.patching.separate && !options_.channels_apart ? source_.channels() : 1;
  }
  void shorten(Tensor& values) const;
  std::string channel_name(std::size_t channel) const;
  std::vector<std::string> target_names() const;
  void prepare(Tensor& values, std::string_view what) const;
  void append_rows(const Tensor& values, const SeriesSource::Loaded& loaded, Batch& batch) const;
  void append_targets(const Tensor& future, std::span<const std::size_t> channels, Batch& batch) const;

  const SeriesSource& source_;
  SeriesTokenization tokenization_;
  SeriesOptions options_;
  std::vector<std::size_t> targets_;  // channels that are predicted
  mutable std::atomic<std::size_t> truncated_ = 0;
};

// The tokenizer's part for these data, without an embedding: statistics of the source's training values, and what an
// embedding will have to know: "longest" (rows of the longest sample) and "cls" (whether there will be a class token).
Part fit_series(const SeriesSource& source, const std::string& modality, const SeriesPatching& patching, bool calendar,
                bool cls, const SeriesOptions& options);

// Adds an embedding that nobody has trained to such a part: a projection without bias from N(0, 1 / columns). Windows
// of whole steps get learned positions, for the longest sample, blocks a norm behind the projection too (ImageBind,
// OneLLM); all others sinusoids (Time-Series-Library).
void initialise_series_embedding(Part& part, std::size_t width, std::uint64_t seed);

}  // namespace mt
