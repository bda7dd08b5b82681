// Tokens of several modalities of the same samples as one sequence each, so that they pass through the encoder
// together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/sample_reader.h"

namespace mt {

struct FuseOptions {
  bool allow_missing = false;  // leave out, as rejected, samples that one of the files lacks
};

// Files of tokens, matched by id, in the order of the first one, as one reader; not seekable. A sequence is the prefix
// (class token) of the first file that has one, then each file's tokens without theirs. Labels, targets and numbers
// are those of the first file that has them; centers and labels of tokens stay where all files have them; grids and
// boxes go. What one of the files rejected is rejected. Memory: the ids of all but the first file, and a caller's
// budget of rows. Throws Error: other kinds, streams, widths or element types that differ, positions or a pre-norm in
// some files only, an id twice, samples that a file lacks; while reading: a sample with different classes in two files.
std::unique_ptr<SampleReader> fuse_samples(const std::vector<std::string>& names, FuseOptions options = {});

}  // namespace mt
