// Windows of continuous recordings, which are held in memory.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "decode/class_labels.h"
#include "decode/label_file.h"
#include "decode/sample_id.h"
#include "decode/series/calendar.h"
#include "decode/series/series_source.h"
#include "decode/stored_array.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBlockSteps = 65'536;

Recording read_any(const std::string& input, const SeriesSourceOptions& options) {
  const ArrayFormat format = array_format(input);
  if (format == ArrayFormat::none) return read_recording(input, options.columns);
  if (format == ArrayFormat::idx) throw Error(input, "is an IDX array, not a recording", "save it as .npy");
  const StoredArray array =
      format == ArrayFormat::npy
          ? open_npy(input)
          : open_npz(input, choose_npz_arrays(list_npz(input), options.array, {}, input).pictures);
  if (array.header.is_text() || element_count(array.header.shape) > kMostRecordedValues)
    throw Error(array.where, fmt::format("has the shape {}", to_string(array.header.shape)), "cut it into several");
  return array_recording(array.all(), input);
}

class Recordings final : public SeriesSource {
 public:
  explicit Recordings(const SeriesSourceOptions& options) : options_(options) {
    std::set<std::string> seen;
    std::optional<Error> first_failure;
    for (const std::string& input : options.inputs) {
      throw_if_interrupted();
      Entry& entry = entries_.emplace_back();
      entry.name = sample_id(fs::path(input).filename().string(), options.id_stem);
      if (!seen.insert(entry.name).second)
        throw Error(input, "has the name of another input, so its samples would share their ids", "rename it");
      try {
        take(entry, input);
      } catch (const Error& error) {  // one broken recording is one rejected sample
        if (!first_failure) first_failure = error;
        entry.failure = error;
        entry.recording = Recording();
        entry.windows = 1;
      }
      entry.first = size_;
      size_ += entry.windows;
    }
    if (first_ == nullptr) throw *first_failure;
    label_windows();
  }

  std::size_t size() const override { return size_; }

  std::string id(std::size_t i) const override {
    const Entry& entry = entry_of(i);
    if (entry.failure || options_.window.steps == 0) return entry.name;
    return fmt::format("{}#{}", entry.name, first_step(entry, i));
  }

  bool has_labels() const override { return !options_.columns.label.empty(); }
  const std::vector<std::string>& label_names() const override { return labels_.names(); }
  std::int32_t label(std::size_t i) const override { return has_labels() ? labels_[i] : -1; }
  std::size_t channels() const override { return first_->values.columns(); }
  const std::vector<std::string>& channel_names() const override { return first_->channels; }
  bool has_calendar() const override { return first_->calendar; }
  std::size_t horizon() const override { return options_.window.horizon; }

  Loaded load(std::size_t i) const override {
    const Entry& entry = entry_of(i);
    if (entry.failure) throw Error(*entry.failure);
    const std::size_t begin = first_step(entry, i), end = begin + context(entry), last = end + horizon();
    require_no_gap(entry, begin, last);
    Loaded loaded;
    loaded.values = entry.recording.values.rows_copy(begin, end);
    if (horizon() > 0) loaded.future = entry.recording.values.rows_copy(end, last);
    if (!entry.recording.times_ms.empty())
      loaded.times_ms = std::span(entry.recording.times_ms).subspan(begin, end - begin);
    loaded.digest = digest(i);
    return loaded;
  }

  Digest digest(std::size_t i) const override {
    const Entry& entry = entry_of(i);
    if (entry.failure) throw Error(*entry.failure);
    const std::size_t begin = first_step(entry, i), steps = context(entry) + horizon();
    const std::size_t row = entry.recording.values.columns();
    Sha256 sum;
    sum.update(std::as_bytes(entry.recording.values.as<float>().subspan(begin * row, steps * row)));
    if (!entry.recording.times_ms.empty())
      sum.update(std::as_bytes(std::span(entry.recording.times_ms).subspan(begin, steps)));
    return sum.finish();
  }

  void for_each_training_block(const std::function<void(const Tensor&)>& visit) const override {
    for (const Entry& entry : entries_) {
      if (entry.failure) continue;
      for (std::size_t at = entry.training.begin; at < entry.training.end; at += kBlockSteps) {
        throw_if_interrupted();
        visit(entry.recording.values.rows_copy(at, std::min(at + kBlockSteps, entry.training.end)));
      }
    }
  }

 private:
  struct Entry {
    std::string name;
    Recording recording;
    std::optional<Error> failure;
    StepRange part, training;  // part: of the windows, the steps that only the first ones' contexts take included
    std::int64_t interval_ms = 0;
    std::size_t windows = 0, first = 0;  // first: number of its first window in the list
  };

  void take(Entry& entry, const std::string& input) {
    entry.recording = read_any(input, options_);
    const Recording& recording = entry.recording;
    if (recording.steps() == 0) throw Error(input, "has no rows");
    entry.interval_ms = recording.interval_ms();
    if (first_ != nullptr &&
        (recording.channels != first_->channels || recording.values.columns() != first_->values.columns() ||
         recording.calendar != first_->calendar)) {
      throw Error(input, fmt::format("has other columns than {}", first_->where), "name common ones with --columns");
    }
    const TimeSplit& split = options_.split;
    entry.part = part_of(split, split.part, recording.steps(), entry.interval_ms, input);
    entry.training = split.part == TimeSplit::Part::all
                         ? entry.part
                         : part_of(split, TimeSplit::Part::train, recording.steps(), entry.interval_ms, input);
    // What is predicted lies in the part; what it is predicted from may lie before it, as it would in use.
    if (horizon() > 0) entry.part.begin -= std::min(entry.part.begin, options_.window.steps);
    const std::size_t steps = entry.part.end - entry.part.begin, need = context(entry) + horizon();
    if (steps < need) throw Error(input, fmt::format("has {} steps, a window takes {}", steps, need));
    entry.windows = (steps - need) / stride() + 1;
    first_ = first_ == nullptr ? &keep_first(recording) : first_;
  }

  // Entries move while the list grows: what all have in common is copied, without the values.
  const Recording& keep_first(const Recording& recording) {
    common_.where = recording.where;
    common_.channels = recording.channels;
    common_.calendar = recording.calendar;
    common_.values = Tensor(DType::f32, {0, recording.values.columns()});
    return common_;
  }

  std::size_t context(const Entry& entry) const {
    return options_.window.steps > 0 ? options_.window.steps : entry.part.end - entry.part.begin;
  }
  std::size_t stride() const {
    if (options_.window.stride > 0) return options_.window.stride;
    return horizon() > 0 ? 1 : std::max<std::size_t>(1, options_.window.steps);
  }
  std::size_t first_step(const Entry& entry, std::size_t i) const {
    return entry.part.begin + (i - entry.first) * stride();
  }
  const Entry& entry_of(std::size_t i) const {
    return *(std::upper_bound(entries_.begin(), entries_.end(), i,
                              [](std::size_t number, const Entry& entry) { return number < entry.first; }) -
             1);
  }

  // More than one and a half of the usual distance between two steps.
  void require_no_gap(const Entry& entry, std::size_t begin, std::size_t end) const {
    const std::vector<std::int64_t>& times = entry.recording.times_ms;
    if (options_.window.across_gaps || times.empty()) return;
    for (std::size_t t = begin + 1; t < end; ++t) {
      const std::int64_t distance = times[t] - times[t - 1];
      if (distance - entry.interval_ms <= entry.interval_ms / 2) continue;
      throw Error(
          entry.recording.where,
          fmt::format("has a gap of {:g} s behind step {} ({})", static_cast<double>(distance) / 1000, t - 1,
                      entry.recording.calendar ? time_text(times[t - 1])
                                               : fmt::format("{:g} s", static_cast<double>(times[t - 1]) / 1000)),
          "--across-gaps takes it");
    }
  }

  void label_windows() {
    if (!has_labels()) return;
    for (const Entry& entry : entries_) {
      for (std::size_t i = entry.first; i < entry.first + entry.windows; ++i) {
        if (entry.failure)
          labels_.add_unknown();
        else
          labels_.add(window_class(entry, first_step(entry, i)));
      }
    }
    labels_.finish();
  }

  const std::string& window_class(const Entry& entry, std::size_t begin) const {
    const Recording& recording = entry.recording;
    const std::span<const std::uint32_t> labels = std::span(recording.labels).subspan(begin, context(entry));
    if (options_.window.label == "last") return recording.class_names[labels.back()];
    std::vector<std::size_t> counts(recording.class_names.size());
    for (const std::uint32_t label : labels) ++counts[label];
    return recording
        .class_names[static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin())];
  }

  SeriesSourceOptions options_;
  std::vector<Entry> entries_;
  Recording common_;
  const Recording* first_ = nullptr;  // common_, once a recording was read
  std::size_t size_ = 0;
  ClassLabels labels_;
};

}  // namespace

std::unique_ptr<SeriesSource> open_recordings(const SeriesSourceOptions& options) {
  return std::make_unique<Recordings>(options);
}

}  // namespace mt
