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
  bool force = false;     // replace an existing output, discard an existing journal
  bool resume = false;    // go on after the last sealed frame of the journal
  bool resumable = true;  // else a failed run leaves no journal: there would be no way to go on from it
  Mixing mixing;          // in what a resumed run may differ
  int compression = 0;    // 0 off; 1..9 shuffle + deflate level
  // mt_inputs where it is known in advance (zeros: it is not): lets an existing equal output be recognised.
  std::optional<Digest> inputs;
  std::uint64_t expected_bytes = 0;  // of all rows where that is known: their space is checked before the work begins
};

class SampleWriter {
 public:
  // name: a path; "-" is standard output (frames to a pipe, plain HDF5 to a regular file, refused on a terminal); a
  // path that is a pipe or a device takes frames too. Opens (or with resume continues) the journal "NAME.part". Throws
  // Error: output exists and differs, journal exists without resume, journal of other settings, journal in use by
  // another process, no space, not writable.
  static std::unique_ptr<SampleWriter> create(const std::string& name, Schema schema, WriteOptions options);
  virtual ~SampleWriter() = default;

  // True when the output already exists with equal configuration and inputs: nothing is to be done.
  virtual bool already_done() const = 0;
  // After a resume: how many samples are sealed, and the largest /index among accepted and rejected ones (-1: none).
  virtual std::int64_t resumed_samples() const = 0;
  virtual std::int64_t last_index() const = 0;
  // What remember_inputs was told before the last write that was sealed; zeros when there is nothing to resume.
  virtual Digest resumed_inputs() const { return {}; }
  // The journal's name once it holds sealed frames: what to tell the user after a failure ("--resume goes on from
  // ..."). Empty when there is none to go on from.
  virtual std::string journal() const { return {}; }

  // Before a write, by who cannot or will not read the inputs again on a resume: the SetDigest of everything up to and
  // including that batch, which is sealed with it.
  virtual void remember_inputs(const Digest& /*so_far*/) {}
  // Seals one frame: the batch and its rejected inputs survive whatever happens to this process (a loss of power may
  // take the last seconds).
  virtual void write(const Batch& batch) = 0;
  // Turns the journal into the final file and publishes it (or writes the end frame). Without this call the journal
  // stays for a resume. inputs: mt_inputs. When the disk has no room for both, the journal is released piece by piece
  // as the file grows; only then does a kill in this very call lose the work.
  virtual void finish(const Digest& inputs) = 0;
};

}  // namespace mt
