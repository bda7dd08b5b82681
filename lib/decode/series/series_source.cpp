#include "decode/series/series_source.h"

#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "decode/file_list.h"
#include "decode/stored_array.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

enum class Kind : std::uint8_t { cases, arrays, recordings };

Kind kind_of(const std::string& input, const SeriesSourceOptions& options) {
  const std::string extension = lower_ascii(fs::path(input).extension().string());
  const bool recorded = options.window.steps > 0;
  if (extension == ".ts" || extension == ".arff") return Kind::cases;
  if (extension == ".npy" || extension == ".npz") return recorded ? Kind::recordings : Kind::arrays;
  if (extension == ".tsv" || extension == ".txt") return recorded ? Kind::recordings : Kind::cases;
  return Kind::recordings;
}

// Directories are replaced by the files in them; the ids are the files' names, which must then differ.
std::vector<std::string> files_of(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    if (!fs::is_directory(input)) {
      files.push_back(input);
      continue;
    }
    const auto found = list_files(input, {"ts", "arff", "tsv", "csv", "npy"});
    if (found.empty()) throw Error(input, "holds no .ts, .arff, .tsv, .csv or .npy file", "name another directory");
    for (const std::string& file : found) files.push_back((fs::path(input) / file).string());
  }
  return files;
}

}  // namespace

std::unique_ptr<SeriesSource> SeriesSource::open(const SeriesSourceOptions& options) {
  SeriesSourceOptions resolved = options;
  resolved.inputs = files_of(options.inputs);
  if (resolved.inputs.empty()) throw UsageError("INPUT", "no file of series is named", "name one");
  const Kind kind = kind_of(resolved.inputs[0], options);
  for (const std::string& input : resolved.inputs) {
    if (kind_of(input, options) != kind)
      throw UsageError(input, "is another kind of file than " + resolved.inputs[0], "give them one by one");
  }
  if (kind != Kind::recordings && options.split.part != TimeSplit::Part::all)
    throw UsageError("--split", "divides recordings in time, not files of whole series", "leave it out");
  if (kind == Kind::cases && options.window.steps > 0)
    throw UsageError("--window", "cuts recordings, not files of whole series", "leave it out");
  switch (kind) {
    case Kind::cases:
      return open_case_files(resolved);
    case Kind::arrays:
      return open_case_arrays(resolved);
    case Kind::recordings:
      return open_recordings(resolved);
  }
  return nullptr;
}

}  // namespace mt
