// Reading tokens, patches, features and predictions: from an HDF5 file, or from a stream of frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "store/batch.h"
#include "store/schema.h"

namespace mt {

class SampleReader {
 public:
  // name: a path, or "-" for standard input (a stream of frames, or one whole HDF5 file). Checks everything that a
  // file declares against the bytes that exist before anything is allocated. Throws Error when it is not the contract.
  static std::unique_ptr<SampleReader> open(const std::string& name);
  // The same for one shard of a file (store/file_shard.h); shard < shards. Throws Error for a stream as well, which
  // only one can read.
  static std::unique_ptr<SampleReader> open_shard(const std::string& name, std::size_t shard, std::size_t shards);
  virtual ~SampleReader() = default;

  // What errors call the input: its path or "standard input"; empty where several were joined.
  const std::string& name() const { return name_; }

  virtual const Schema& schema() const = 0;
  virtual std::optional<std::int64_t> samples() const = 0;  // nullopt: a stream, which knows at its end
  virtual std::optional<std::int64_t> rows() const = 0;     // rows of the main data set, likewise

  // The next samples in order: as many as fit max_rows rows and max_samples samples, but at least one. nullopt at the
  // end; a batch of zero samples may come for rejected inputs alone. Throws Error on damage (checksums, cut
  // streams).
  virtual std::optional<Batch> next(std::size_t max_rows, std::size_t max_samples) = 0;

  // Samples [begin, end), in files only (logic_error on a stream): for shuffled blocks.
  virtual bool seekable() const = 0;
  virtual Batch read(std::size_t begin, std::size_t end) = 0;
  virtual std::vector<std::int64_t> offsets(std::size_t begin, std::size_t end) = 0;  // [end - begin + 1]
  virtual std::vector<std::int32_t> labels() = 0;                                     // [N], files only

  // mt_inputs; known at once for a file (zeros when a foreign file has none), after the last batch for a stream.
  virtual Digest inputs() const = 0;

 private:
  std::string name_;
};

// Whether inputs() says anything (no samples have none). After the last batch for a stream.
bool knows_inputs(const SampleReader& reader);
// mt_inputs of all of them together; zeros when one that has samples does not know its own.
Digest joint_inputs(std::span<const std::unique_ptr<SampleReader>> readers);

}  // namespace mt
