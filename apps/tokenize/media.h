// What audio and video share: where their samples come from.
#pragma once

#include <string>
#include <vector>

#include "cli/run.h"
#include "decode/media_source.h"

namespace mt::tokenize {

struct MediaOptions {
  MediaSourceOptions source;
  std::string ids = "path";
};
// INPUT, --manifest and its columns, --labels, --ids, --window, --hop. what: "Recordings".
void add_media_options(CLI::App& app, MediaOptions& options, const std::string& what);

// Throws UsageError for what can be known before anything is read; completes the source's options.
void check(MediaOptions& options);

// Files that must not be the output.
std::vector<std::string> files_of(const MediaOptions& options);

}  // namespace mt::tokenize
