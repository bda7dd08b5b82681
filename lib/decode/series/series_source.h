// Where time series come from: files of cases and arrays, a sample each; or windows of continuous recordings. All seen
// as one indexed list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/tensor.h"
#include "decode/series/recording.h"
#include "decode/series/time_split.h"

namespace mt {

struct WindowOptions {
  std::size_t steps = 0;   // of one window; 0: recordings are not cut
  std::size_t stride = 0;  // between the starts of two windows; 0: windows of classes lie end to end, forecasts 1 apart
  std::size_t horizon = 0;         // steps behind each window that are to be predicted; 0: none
  std::string label = "majority";  // a window's class: "majority" (ties: the first to appear), "last"
  bool across_gaps = false;        // take windows with a gap in their times too
};

struct SeriesSourceOptions {
  // .ts, .arff and .tsv files of cases; CSV recordings; NPY and NPZ arrays: [cases, steps], [cases, steps, channels]
  // or, channels_first, [cases, channels, steps]; with a window [steps] or [steps, channels].
  std::vector<std::string> inputs;
  bool channels_first = false;
  std::string array;                // of an NPZ that has several
  std::string labels, label_array;  // of arrays: an NPY, NPZ or CSV file; its array
  RecordingColumns columns;         // of CSV
  WindowOptions window;
  TimeSplit split;       // of recordings
  bool id_stem = false;  // --ids stem
};

// The full list, fixed at construction, whatever the shard. Ids: "FILE#CASE", "FILE#FIRST_STEP", unique.
class SeriesSource {
 public:
  static std::unique_ptr<SeriesSource> open(const SeriesSourceOptions& options);  // throws Error, UsageError
  virtual ~SeriesSource() = default;

  virtual std::size_t size() const = 0;
  virtual std::string id(std::size_t i) const = 0;
  virtual bool has_labels() const = 0;
  virtual const std::vector<std::string>& label_names() const = 0;
  virtual std::int32_t label(std::size_t i) const = 0;  // -1 unknown
  virtual bool has_targets() const { return false; }    // a number of its own for each series, to be predicted

  // What all have in common.
  virtual std::size_t channels() const = 0;
  virtual const std::vector<std::string>& channel_names() const = 0;  // [channels] or empty
  virtual bool has_calendar() const { return false; }                 // times are dates
  virtual std::size_t horizon() const { return 0; }

  struct Loaded {
    Tensor values;                           // [steps, channels] f32; NaN where missing
    std::span<const std::int64_t> times_ms;  // [steps] or empty
    Tensor future;                           // [horizon, channels], empty without a horizon
    float target = 0;                        // with has_targets
    Digest digest{};                         // of the raw line, or of the window's values and times
  };
  // Throws Error (the sample is then rejected). Callable from several threads at once.
  virtual Loaded load(std::size_t i) const = 0;
  virtual Digest digest(std::size_t i) const = 0;

  // All values that statistics may be fitted on, in blocks of rows [n, channels]: of cases all of them, of recordings
  // each row of the training part once. Cases that cannot be used are left out.
  virtual void for_each_training_block(const std::function<void(const Tensor&)>& visit) const = 0;
};

// Each is for the inputs of its kind; open() chooses.
std::unique_ptr<SeriesSource> open_case_files(const SeriesSourceOptions& options);
std::unique_ptr<SeriesSource> open_case_arrays(const SeriesSourceOptions& options);
std::unique_ptr<SeriesSource> open_recordings(const SeriesSourceOptions& options);

}  // namespace mt
