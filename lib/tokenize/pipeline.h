// From a list of inputs to an output: samples are made on all threads while earlier ones are written, in the list's
// order, within bounded memory. What cannot be used is rejected with its reason and the rest go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/digest.h"
#include "base/progress.h"
#include "store/batch.h"
#include "store/sample_writer.h"

namespace mt {

// What a modality gives to the pipeline. All functions may be called from several threads at once.
class SampleMaker {
 public:
  virtual ~SampleMaker() = default;

  virtual std::size_t size() const = 0;  // inputs of the full list, whatever part of it is taken
  virtual std::string id(std::size_t i) const = 0;
  virtual bool has_labels() const { return false; }
  virtual std::int32_t label(std::size_t /*i*/) const { return -1; }  // -1: unknown

  // Digest of the raw input, without decoding it. Throws Error when it cannot be read.
  virtual Digest digest(std::size_t i) const = 0;

  // A batch of no samples that has the columns of this modality.
  virtual Batch empty_batch() const = 0;
  // Appends sample i to the batch: rows, and whatever other columns of rows and samples the modality has, but not id,
  // index, label and offset. Returns the digest of the raw input. Throws Error: the sample is then rejected for this
  // reason.
  virtual Digest make(std::size_t i, Batch& batch) const = 0;
  // Called once when a batch has all its samples, on the thread that made them: e.g. one product that embeds all rows.
  virtual void finish(Batch& /*batch*/) const {}
};

struct PipelineOptions {
  std::size_t threads = 1;
  std::size_t batch_samples = 64;  // samples of one batch, which is one sealed frame of the output
  bool strict = false;             // the first rejected sample is an error
};

struct PipelineResult {
  std::int64_t samples = 0, rejected = 0, rows = 0;        // of this run
  std::int64_t resumed_samples = 0, resumed_rejected = 0;  // what a resumed output had already
  Digest inputs{};                                         // of all inputs taken, what a resumed output had included
  // Seconds, summed over the threads: making samples, finishing batches; and of the writer: writing, waiting.
  double making = 0, finishing = 0, writing = 0, waiting = 0;
};

// Takes the inputs at the given positions of the list (rising) to the writer, those behind writer.last_index() only.
// Does not call writer.finish(). Throws Error (strict: naming the sample), Interrupted; the writer then holds whole
// batches.
PipelineResult run_pipeline(const SampleMaker& maker, std::span<const std::size_t> positions, SampleWriter& writer,
                            const PipelineOptions& options, Progress& progress);

// mt_inputs of these inputs; one that cannot be read counts by its id alone.
Digest inputs_digest(const SampleMaker& maker, std::span<const std::size_t> positions, std::size_t threads);

// What the whole list will come to, from a few of its inputs made and thrown away.
struct PipelineEstimate {
  std::int64_t probed = 0, rejected = 0;
  double rows = 0, bytes = 0, seconds = 0;  // of all positions
};
PipelineEstimate estimate_pipeline(const SampleMaker& maker, std::span<const std::size_t> positions,
                                   std::size_t threads);

}  // namespace mt
