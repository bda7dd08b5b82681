// Recordings as samples of patches: read, resampled, log-mel frames, normalised, cut.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/threads.h"
#include "decode/media_source.h"
#include "store/schema.h"
#include "tokenize/audio/audio_settings.h"
#include "tokenize/pipeline.h"

namespace mt {

// Log-mel frames [frames, bins] of a segment, not normalised, no more than settings.frames.
struct LogMel {
  Tensor frames;
  Digest digest;     // of the file, or where a part of it was read, of that part's samples
  bool cut = false;  // the segment goes on behind settings.frames
};
// Throws Error: what AudioFile says, a start behind the end, less than one frame, an hour and more without a length.
LogMel read_log_mel(const MediaSegment& segment, const Filterbank& filterbank, const AudioSettings& settings);

// Mean and standard deviation of all log-mel values of the source's samples; those that cannot be read are left out.
// Throws Error when none can. The same numbers whatever the threads.
AudioNormalization fit_audio_normalization(const MediaSource& source, const AudioSettings& settings,
                                           std::size_t threads);

class AudioSamples : public SampleMaker {
 public:
  // The source must outlive this. frames: rows are normalised log-mel frames, not patches.
  AudioSamples(const MediaSource& source, const AudioSettings& settings, bool frames);

  // Kind, columns, labels, settings of the patches; creator and source are the caller's to complete.
  Schema schema() const;
  std::size_t rows_per_sample() const;       // roughly, where lengths differ
  std::int64_t cut() const { return cut_; }  // samples that were longer than settings.frames

  std::size_t size() const override { return source_.size(); }
  std::string id(std::size_t i) const override { return source_.id(i); }
  bool has_labels() const override { return source_.has_labels(); }
  std::int32_t label(std::size_t i) const override { return source_.label(i); }
  Digest digest(std::size_t i) const override;
  Batch empty_batch() const override;
  Digest make(std::size_t i, Batch& batch) const override;

 private:
  std::size_t columns() const { return frames_ ? settings_.filterbank.bins : settings_.patch_values(); }
  void append_places(double start, std::size_t count, Batch& batch) const;

  const MediaSource& source_;
  AudioSettings settings_;
  bool frames_;
  Filterbank filterbank_;
  mutable std::atomic<std::int64_t> cut_ = 0;
};

}  // namespace mt
