#include "decode/media_source.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "decode/file_list.h"
#include "decode/label_file.h"
#include "decode/manifest.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr double kMostSeconds = 1e9;                        // thirty years
constexpr std::size_t kMostWindows = std::size_t{1} << 28;  // of one file

// Seconds in a manifest; none when the field is empty.
std::optional<double> seconds_in(const std::string& text, const std::string& column, const std::string& where) {
  if (text.empty()) return std::nullopt;
  const auto value = parse_double(text);
  if (!value || !(*value >= 0) || *value > kMostSeconds) {
    throw Error(where, fmt::format("has \"{}\" as {}", printable(text), column), "seconds are needed, e.g. 12.5");
  }
  return value;
}

}  // namespace

MediaSource::MediaSource(MediaSourceOptions options, const std::function<double(const fs::path&)>& duration)
    : options_(std::move(options)) {
  for (const std::string& input : options_.inputs) add_input(input);
  for (const std::string& manifest : options_.manifests) add_manifest(manifest);
  if (items_.empty()) throw Error("", "the inputs hold no samples", "name at least one file");
  for (std::size_t i = 0; i < items_.size(); ++i) items_[i].first = i;
  mt::require_unique_ids(items_.size(), [&](std::size_t i) { return id(i); });
  take_labels();
  if (options_.window > 0) cut_into_windows(duration);
}

std::size_t MediaSource::item_of(std::size_t i) const {
  const auto behind = std::upper_bound(items_.begin(), items_.end(), i,
                                       [](std::size_t sample, const Item& item) { return sample < item.first; });
  return static_cast<std::size_t>(behind - items_.begin()) - 1;
}

std::string MediaSource::id(std::size_t i) const {
  const Item& item = items_[item_of(i)];
  return item.windowed ? fmt::format("{}#{}", item.id, i - item.first) : item.id;
}

std::int32_t MediaSource::label(std::size_t i) const { return has_labels_ ? labels_[item_of(i)] : -1; }

MediaSegment MediaSource::segment(std::size_t i) const {
  const Item& item = items_[item_of(i)];
  MediaSegment segment{item.path, item.start, std::nullopt};
  if (item.duration >= 0) segment.duration = item.duration;
  if (!item.windowed) return segment;
  segment.start += static_cast<double>(i - item.first) * options_.hop;
  segment.duration = options_.window;
  return segment;
}

void MediaSource::add(const fs::path& path, std::string id, std::string_view label) {
  Item& item = items_.emplace_back();
  if (options_.labels == "directory")
    labels_.add(folder_name(path));
  else
    labels_.add(label);
  item.path = path.string();
  item.id = std::move(id);
}

void MediaSource::add_input(const std::string& input) {
  if (input == "-") return add_list();
  std::error_code error;
  const fs::file_status status = fs::status(input, error);
  if (!fs::exists(status)) throw system_error(input, "open", error ? error.value() : ENOENT);
  if (fs::is_directory(status)) return add_directory(input);
  if (!fs::is_regular_file(status)) throw Error(input, "is neither a file nor a directory");
  const auto name = options_.names.find(input);
  add(input, id_of(name != options_.names.end() ? name->second : fs::path(input).filename().string()), "");
}

void MediaSource::add_directory(const fs::path& directory) {
  std::vector<std::string> paths = list_files(directory, options_.extensions);
  std::set<std::string> folders;
  if (!options_.frame_extensions.empty()) {
    for (const std::string& frame : list_files(directory, options_.frame_extensions))
      folders.insert(fs::path(frame).parent_path().string());
  }
  if (folders.erase("") > 0) {  // the directory itself is a video
    const fs::path whole = directory.has_filename() ? directory : directory.parent_path();
    add(whole, id_of(fs::weakly_canonical(whole).filename().string()), "");
  } else if (paths.empty() && folders.empty()) {
    throw Error(directory.string(), "holds no files of this kind",
                fmt::format("files named .{} are taken", fmt::join(options_.extensions, ", .")));
  }
  paths.insert(paths.end(), folders.begin(), folders.end());
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) add(directory / path, id_of(path), "");
}

void MediaSource::add_list() {
  if (std::exchange(read_list_, true)) throw UsageError("-", "standard input was named twice");
  std::string text = options_.list_start;
  const std::vector<std::byte> rest = read_stdin(kMostListBytes);
  text.append(reinterpret_cast<const char*>(rest.data()), rest.size());
  for (const std::string& path : paths_listed(text)) add(path, id_of(path), "");
}

void MediaSource::add_manifest(const std::string& name) {
  if (name == "-") throw UsageError(name, "a manifest is not read from standard input", "name its file");
  const fs::path root = fs::path(name).parent_path();
  const ManifestColumns columns{options_.path_column,
                                options_.label_column,
                                options_.id_column,
                                {options_.start_column, options_.duration_column}};
  const bool labelled = read_manifest(name, columns, [&](const ManifestRow& row) {
    throw_if_interrupted();
    const auto start = seconds_in(row.others[0], options_.start_column, row.where);
    const auto duration = seconds_in(row.others[1], options_.duration_column, row.where);
    if (duration && *duration == 0) throw Error(row.where, "has a duration of 0", "leave it empty for the whole file");
    std::string id = row.id.empty() ? id_of(row.path) : percent_escaped(row.id);
    if (row.id.empty() && start) id += fmt::format("#{}", *start);
    add(root / row.path, std::move(id), options_.labels.empty() ? row.label : "");
    items_.back().start = start.value_or(0);
    items_.back().duration = duration.value_or(-1);
  });
  has_labels_ = has_labels_ || (options_.labels.empty() && labelled);
}

void MediaSource::take_labels() {
  if (options_.labels == "directory") {
    has_labels_ = true;
  } else if (!options_.labels.empty()) {
    const LabelFile file{
        options_.labels, {options_.path_column, options_.label_column, options_.id_column, {}}, "", options_.id_stem};
    labels_ = read_label_file(file, items_.size(), [&](std::size_t i) { return id(i); }, {});
    has_labels_ = true;
  }
  labels_.finish();
}

void MediaSource::cut_into_windows(const std::function<double(const fs::path&)>& duration) {
  std::size_t first = 0;
  for (Item& item : items_) {
    throw_if_interrupted();
    double seconds = item.duration;
    try {
      const double rest = duration(item.path) - item.start;
      seconds = seconds < 0 ? rest : std::min(seconds, rest);
    } catch (const Error&) {  // will be rejected when its turn comes
    }
    // The tenth of a millisecond forgives what seconds lose as decimals.
    const double windows = std::floor((seconds - options_.window + 1e-4) / options_.hop) + 1;
    if (windows > static_cast<double>(kMostWindows)) {
      throw Error(item.path, fmt::format("would give {:.0f} windows", windows), "choose a longer --hop");
    }
    item.windows = windows >= 1 ? static_cast<std::size_t>(windows) : 1;
    item.windowed = true;
    item.first = std::exchange(first, first + item.windows);
  }
}

}  // namespace mt
