#include "decode/file_list.h"

#include <algorithm>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

class Walk {
 public:
  Walk(const fs::path& root, const std::vector<std::string_view>& extensions) : root_(root), extensions_(extensions) {}

  std::vector<std::string> run() {
    read(root_, "");
    std::sort(found_.begin(), found_.end());
    return std::move(found_);
  }

 private:
  // Paths are at most PATH_MAX long, so the tree that can be read is not deeper than half of that.
  void read(const fs::path& directory, const std::string& prefix) {
    throw_if_interrupted();
    std::error_code error;
    const fs::path real = fs::canonical(directory, error);
    fs::directory_iterator entries;
    if (!error) entries = fs::directory_iterator(directory, error);
    if (error) throw system_error(directory.string(), "read the directory", error.value());
    if (std::find(open_.begin(), open_.end(), real) != open_.end()) return;  // a link to a directory above
    open_.push_back(real);
    for (const fs::directory_entry& entry : entries) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with('.')) continue;
      if (entry.is_directory(error))
        read(entry.path(), prefix + name + "/");
      else if (is_wanted(entry.path()) && entry.is_regular_file(error))
        found_.push_back(prefix + name);
    }
    open_.pop_back();
  }

  bool is_wanted(const fs::path& path) const {
    const std::string extension = lower_ascii(path.extension().string());
    return !extension.empty() && std::find(extensions_.begin(), extensions_.end(),
                                           std::string_view(extension).substr(1)) != extensions_.end();
  }

  fs::path root_;
  const std::vector<std::string_view>& extensions_;
  std::vector<fs::path> open_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> list_files(const fs::path& directory, const std::vector<std::string_view>& extensions) {
  return Walk(directory, extensions).run();
}

std::vector<std::string> paths_listed(std::string_view text) {
  std::vector<std::string> paths;
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) paths.emplace_back(line);
  }
  return paths;
}

}  // namespace mt
