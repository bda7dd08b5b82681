// Manifests: tables of samples in CSV, TSV, JSON or JSON lines.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace mt {

struct ManifestColumns {
  std::string path = "path", label = "label", id = "id";  // label and id may be missing in a manifest under these
                                                          // names, but not under names of the user's own
  std::vector<std::string> others;                        // further columns that are wanted where the manifest has them
};

struct ManifestRow {
  std::string path;                 // as written
  std::string label;                // "" unknown
  std::string id;                   // "" when the manifest has none
  std::vector<std::string> others;  // "" where the row has none
  std::string where;                // "list.csv: line 17", for errors
};

// Calls row for each sample in order. JSON: an array of objects; an object of objects, whose keys are the ids (in the
// order of the keys); or lines of objects. Returns whether the manifest has labels. Throws Error: no such column, an
// empty path, broken text.
bool read_manifest(const std::filesystem::path& file, const ManifestColumns& columns,
                   const std::function<void(ManifestRow)>& row);

}  // namespace mt
