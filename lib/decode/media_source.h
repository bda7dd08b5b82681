// Where recordings and videos come from: files, directories, manifests, lists; whole, or as segments and windows of
// time. All seen as one indexed list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "decode/class_labels.h"
#include "decode/sample_id.h"

namespace mt {

struct MediaSourceOptions {
  // Files, directories, "-" (paths on standard input, one a line). Of a directory those files are taken whose extension
  // is one of extensions; a file given by name is taken whatever it is called.
  std::vector<std::string> inputs;
  std::vector<std::string_view> extensions;
  // Extensions of pictures: a directory that holds such files is one sample, its path the directory's. Empty: none is.
  std::vector<std::string_view> frame_extensions;
  std::vector<std::string> manifests;  // paths are relative to the manifest's directory
  std::string path_column = "path", label_column = "label", id_column = "id";
  std::string start_column = "start", duration_column = "duration";  // seconds
  std::string labels;  // "directory": class is the folder's name; a path: CSV id,label and the like; "": the manifest's
  bool id_stem = false;  // --ids stem: ids without extension
  // Seconds: each file (or segment of a manifest) becomes windows of this length, one every hop. 0: stays whole.
  double window = 0, hop = 0;
  std::string list_start;                    // what was read of the list on standard input already
  std::map<std::string, std::string> names;  // of inputs that are not to be called as their files are
  std::string temporary_directory = "/var/tmp";
};

struct MediaSegment {
  std::filesystem::path path;
  double start = 0;                // seconds
  std::optional<double> duration;  // seconds; none: to the end
  bool whole() const { return start == 0 && !duration; }
};

// The full list, fixed at construction: order, ids and class names do not depend on shards or threads. Ids: path
// relative to the input argument (a file's own name; paths of lists and manifests as written), percent-escaped, unique,
// "#window" behind it where there are windows. Two rows of a manifest may name one file when they have ids, or start at
// different times: "path#start" then. Directory entries sort bytewise.
class MediaSource {
 public:
  // duration: seconds of a file, called only for windows; a file for which it throws Error stays one sample, to be
  // rejected when it is made. Windows are whole: what is left behind the last is dropped, and what is shorter than one
  // window is one sample. Throws Error, UsageError.
  MediaSource(MediaSourceOptions options, const std::function<double(const std::filesystem::path&)>& duration);

  std::size_t size() const { return items_.empty() ? 0 : items_.back().first + items_.back().windows; }
  std::string id(std::size_t i) const;
  MediaSegment segment(std::size_t i) const;
  bool has_labels() const { return has_labels_; }
  const std::vector<std::string>& label_names() const { return labels_.names(); }
  std::int32_t label(std::size_t i) const;  // -1 unknown

 private:
  struct Item {
    std::string path, id;
    double start = 0;
    double duration = -1;   // < 0: to the end
    std::size_t first = 0;  // number of its first sample
    std::size_t windows = 1;
    bool windowed = false;
  };

  std::size_t item_of(std::size_t i) const;
  void add_input(const std::string& input);
  void add_directory(const std::filesystem::path& directory);
  void add_list();
  void add_manifest(const std::string& name);
  void add(const std::filesystem::path& path, std::string id, std::string_view label);
  std::string id_of(std::string_view path) const { return sample_id(path, options_.id_stem); }
  void cut_into_windows(const std::function<double(const std::filesystem::path&)>& duration);
  void take_labels();

  MediaSourceOptions options_;
  std::vector<Item> items_;
  ClassLabels labels_;  // of items
  bool has_labels_ = false, read_list_ = false;
};

}  // namespace mt
