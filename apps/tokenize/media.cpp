#include "tokenize/media.h"

#include "base/error.h"

namespace mt::tokenize {

void add_media_options(CLI::App& app, MediaOptions& options, const std::string& what) {
  MediaSourceOptions& source = options.source;
  app.add_option("INPUT", source.inputs, what + ", directories; \"-\" reads a list of paths from standard input");
  const auto input = [&](const char* name, auto& value, const char* text, const std::string& meaning) {
    return app.add_option(name, value, meaning)->option_text(text)->group("Input");
  };
  input("--manifest", source.manifests, "FILE", "CSV, TSV, JSON or JSON-lines list; may be given twice");
  input("--path-column", source.path_column, "NAME", "Column of the manifest that holds the path")
      ->capture_default_str();
  input("--label-column", source.label_column, "NAME", "Column of the manifest that holds the class")
      ->capture_default_str();
  input("--id-column", source.id_column, "NAME", "Column of the manifest that holds the id")->capture_default_str();
  input("--start-column", source.start_column, "NAME", "Column of the manifest that holds the start in seconds")
      ->capture_default_str();
  input("--duration-column", source.duration_column, "NAME", "Column of the manifest that holds the length in seconds")
      ->capture_default_str();
  input("--labels", source.labels, "directory|FILE",
        "Classes: the name of the file's folder, or a CSV file of id,label");
  input("--ids", options.ids, "path|stem", "Sample ids with or without the file's extension")
      ->check(CLI::IsMember({"path", "stem"}))
      ->capture_default_str();
  input("--window", source.window, "SECONDS", "Cut each file into windows, each a sample: FILE#0, FILE#1, ...")
      ->check(CLI::Range(1e-3, 1e6));
  input("--hop", source.hop, "SECONDS", "From the start of one window to that of the next [as long as a window]")
      ->check(CLI::Range(1e-3, 1e6));
}

void check(MediaOptions& options) {
  MediaSourceOptions& source = options.source;
  if (source.inputs.empty() && source.manifests.empty())
    throw UsageError("INPUT", "no file, directory or --manifest is named");
  if (source.hop > 0 && source.window == 0) throw UsageError("--hop", "is about --window, which is missing");
  if (source.hop == 0) source.hop = source.window;
  source.id_stem = options.ids == "stem";
}

std::vector<std::string> files_of(const MediaOptions& options) {
  std::vector<std::string> files = options.source.inputs;
  files.insert(files.end(), options.source.manifests.begin(), options.source.manifests.end());
  return files;
}

}  // namespace mt::tokenize
