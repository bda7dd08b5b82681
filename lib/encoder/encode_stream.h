// From token files or streams to features: reading, computing and writing at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/progress.h"
#include "encoder/encoder.h"
#include "encoder/token_additions.h"
#include "store/batch.h"
#include "store/sample_reader.h"
#include "store/sample_writer.h"

namespace mt {

struct StreamOptions {
  EncodeOptions encode;  // prefix: of the tokens as they are encoded, additions included
  TokenAdditions additions;
  std::size_t budget = 4096;  // tokens of one batch; a longer sample is a batch of its own
  bool strict = false;        // the first rejected sample is an error
};

struct StreamReport {
  std::int64_t samples = 0, tokens = 0;  // encoded by this run
  std::int64_t rejected = 0;             // by the encoder, not upstream
  double computing_seconds = 0;          // the rest of the time it waited for tokens, or for the writer
};

// Throws Error unless all files hold tokens of this width, and go together.
void require_tokens(std::span<const std::unique_ptr<SampleReader>> readers, std::size_t width);

// What features of such tokens look like; creator, config are left to the caller. Throws Error when the files do not go
// together, or do not fit the encoder.
Schema features_schema(std::span<const std::unique_ptr<SampleReader>> readers, const Encoder& encoder,
                       const StreamOptions& options);

// One batch of tokens as a batch of features; samples that fail move to its rejected inputs.
Batch encode_batch(Batch tokens, Encoder& encoder, const StreamOptions& options);

// Encodes all readers one after the other into writer, which is not finished here. After a resume, samples up to the
// writer's last index are skipped. Reads on the calling thread, so that a signal interrupts a blocked read; computes
// and writes on threads of their own. Everything computed before a failure is sealed before it is thrown.
StreamReport encode_stream(std::span<const std::unique_ptr<SampleReader>> readers, Encoder& encoder,
                           const StreamOptions& options, SampleWriter& writer, Progress& progress);

}  // namespace mt
