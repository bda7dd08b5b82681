// Writing tokens, patches, features and predictions: to a file that appears whole or not at all, or to a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/digest.h"
#include "store/batch.h"
#include "store/schema.h"

namespace mt {

struct WriteOptions {
  bool force = false;       // replace an existing output, discard an existing journal
  bool resume = false;      // go on after the last sealed frame of the journal
  int compression = 0;      // 0 off; 1..9 shuffle + deflate level
  std::optional<Digest> inputs;  // mt_inputs where it is known in advance: lets an existing equal output be recognised
};

class SampleWriter {
 public:
  // name: a path; "-" is standard output (frames to a pipe, plain HDF5 to a regular file, refused on a terminal).
  // Opens (or with resume continues) the journal "NAME.part". Throws Error: output exists and differs, journal exists
  // without resume, journal of another configuration, no space, not writable.
  static std::unique_ptr<SampleWriter> create(const std::string& name, Schema schema, WriteOptions options);
  virtual ~SampleWriter() = default;

  // True when the output already exists with equal configuration and inputs: nothing is to be done.
  virtual bool already_done() const = 0;
  // After a resume: how many samples are sealed, and the largest /index among accepted and rejected ones (-1: none).
  virtual std::int64_t resumed_samples() const = 0;
  virtual std::int64_t last_index() const = 0;

  // Seals one frame: the batch and its rejected inputs are safe from here on.
  virtual void write(const Batch& batch) = 0;
  // Turns the journal into the final file and publishes it (or writes the end frame). Without this call the journal
  // stays for a resume. inputs: mt_inputs.
  virtual void finish(const Digest& inputs) = 0;
};

}  // namespace mt
