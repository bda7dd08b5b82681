#include "decode/sample_list.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "decode/file_list.h"
#include "decode/label_file.h"
#include "decode/sample_id.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

// The name of the folder that holds the file.
std::string folder_of(const fs::path& file) {
  std::error_code error;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const std::string name = folder.filename().string();
  if (!name.empty() && name != "." && name != "..") return name;
  return fs::weakly_canonical(folder, error).filename().string();
}

}  // namespace

// Collects the list in the order of the options.
class SampleList::Builder {
 public:
  Builder(const SampleListOptions& options, const Kind& kind, SampleList& list)
      : options_(options), kind_(kind), list_(list) {}

  void build() {
    if (options_.inputs.empty() && options_.manifests.empty()) {
      throw UsageError("INPUT", "no input was given", "name files, directories, or \"-\" for a list of paths");
    }
    for (const std::string& input : options_.inputs) add_input(input);
    for (const std::string& manifest : options_.manifests) add_manifest(manifest);
    if (list_.size() == 0) throw Error("", "the inputs hold no samples");
    list_.require_unique_ids();
    if (!by_folder() && !options_.labels.empty()) {
      const LabelFile file{options_.labels, options_.columns, "", options_.id_stem};
      list_.labels_ = read_label_file(file, list_.size(), [&](std::size_t i) { return list_.id(i); }, {});
      list_.has_labels_ = true;
    }
    list_.labels_.finish();
  }

 private:
  bool by_folder() const { return options_.labels == "directory"; }
  // Labels that inputs bring along count only when no others are asked for.
  bool own_labels() const { return options_.labels.empty(); }

  Part& new_part(std::size_t count) {
    throw_if_interrupted();
    const std::size_t first = list_.size();
    Part& part = list_.parts_.emplace_back();
    part.first = first;
    part.count = count;
    return part;
  }

  void add_input(const std::string& input) {
    if (input == "-") return add_list();
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (!fs::exists(status)) throw system_error(input, "open", error ? error.value() : ENOENT);
    if (fs::is_directory(status)) return add_directory(input);
    if (!fs::is_regular_file(status)) throw Error(input, "is neither a file nor a directory");
    add_files(fs::path(input).parent_path(), {fs::path(input).filename().string()});
  }

  void add_directory(const fs::path& directory) {
    std::vector<std::string> paths = list_files(directory, kind_.extensions);
    if (paths.empty()) {
      throw Error(directory.string(), "holds no files of " + kind_.what,
                  fmt::format("those named .{} are taken", fmt::join(kind_.extensions, ", .")));
    }
    add_files(directory, std::move(paths));
  }

  void add_list() {
    if (std::exchange(read_list_, true)) throw UsageError("-", "standard input was named twice");
    const std::vector<std::byte> bytes = read_stdin(kMostListBytes);
    add_files({}, paths_listed({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  }

  // Files of one sample gather in one part; a container is a part of its own.
  void add_files(const fs::path& root, std::vector<std::string> paths) {
    std::vector<std::string> plain;
    const auto flush = [&] {
      if (plain.empty()) return;
      Part& part = new_part(plain.size());
      part.root = root;
      part.paths = std::exchange(plain, {});
    };
    for (std::string& path : paths) {
      std::shared_ptr<const SampleContainer> container;
      if (kind_.open) container = kind_.open((root / path).string());
      if (!container) {
        if (by_folder()) {
          list_.labels_.add(folder_of(root / path));
        } else {
          list_.labels_.add_unknown();
        }
        plain.push_back(std::move(path));
        continue;
      }
      flush();
      add_container(root, std::move(path), std::move(container));
    }
    list_.has_labels_ = list_.has_labels_ || by_folder();
    flush();
  }

  void add_container(const fs::path& root, std::string path, std::shared_ptr<const SampleContainer> container) {
    if (by_folder()) {
      for (std::size_t i = 0; i < container->samples(); ++i) list_.labels_.add(folder_of(root / path));
    } else if (own_labels() && container->add_labels(list_.labels_)) {
      list_.has_labels_ = true;
    } else {
      list_.labels_.add_unknown(container->samples());
    }
    Part& part = new_part(container->samples());
    part.root = root;
    part.paths = {std::move(path)};
    part.container = std::move(container);
  }

  void add_manifest(const std::string& name) {
    if (name == "-") throw UsageError(name, "a manifest is not read from standard input", "name its file");
    std::vector<std::string> paths, ids;
    const fs::path root = fs::path(name).parent_path();
    const bool labelled = read_manifest(name, options_.columns, [&](ManifestRow row) {
      if (by_folder()) {
        list_.labels_.add(folder_of(root / row.path));
      } else {
        list_.labels_.add(own_labels() ? row.label : "");
      }
      paths.push_back(std::move(row.path));
      ids.push_back(std::move(row.id));
    });
    list_.has_labels_ = list_.has_labels_ || by_folder() || (own_labels() && labelled);
    if (std::ranges::all_of(ids, [](const std::string& id) { return id.empty(); })) ids.clear();
    Part& part = new_part(paths.size());
    part.root = root;
    part.paths = std::move(paths);
    part.ids = std::move(ids);
  }

  const SampleListOptions& options_;
  const Kind& kind_;
  SampleList& list_;
  bool read_list_ = false;
};

SampleList::SampleList(const SampleListOptions& options, const Kind& kind) : id_stem_(options.id_stem) {
  Builder(options, kind, *this).build();
}

const SampleList::Part& SampleList::part_of(std::size_t i) const {
  const auto behind = std::upper_bound(parts_.begin(), parts_.end(), i,
                                       [](std::size_t sample, const Part& part) { return sample < part.first; });
  return *std::prev(behind);
}

std::string SampleList::id(std::size_t i) const {
  const Part& part = part_of(i);
  const std::size_t row = i - part.first;
  if (part.container) return fmt::format("{}#{}", sample_id(part.paths[0], id_stem_), row);
  if (!part.ids.empty() && !part.ids[row].empty()) return percent_escaped(part.ids[row]);
  return sample_id(part.paths[row], id_stem_);
}

SampleList::Place SampleList::place(std::size_t i) const {
  const Part& part = part_of(i);
  const std::size_t row = i - part.first;
  if (part.container) return {(part.root / part.paths[0]).string(), part.container.get(), row};
  return {(part.root / part.paths[row]).string(), nullptr, 0};
}

// Ids are compared by hash first, so that millions fit.
void SampleList::require_unique_ids() const {
  std::vector<std::pair<std::size_t, std::size_t>> hashes;  // of ids, with their samples
  hashes.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) hashes.emplace_back(std::hash<std::string>()(id(i)), i);
  std::sort(hashes.begin(), hashes.end());
  std::size_t duplicate = size();
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    if (hashes[i].first != hashes[i - 1].first || id(hashes[i].second) != id(hashes[i - 1].second)) continue;
    duplicate = std::min(duplicate, hashes[i].second);
  }
  if (duplicate == size()) return;
  throw Error(id(duplicate),
              fmt::format("two samples have this id, the second is number {} of {}", duplicate + 1, size()),
              "give the directory above them, a list of paths, or a manifest with ids");
}

}  // namespace mt
