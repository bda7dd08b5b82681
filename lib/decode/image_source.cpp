#include "decode/image_source.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "decode/array_pictures.h"
#include "decode/class_labels.h"
#include "decode/file_list.h"
#include "decode/label_file.h"
#include "decode/manifest.h"
#include "decode/sample_id.h"
#include "decode/stored_array.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

const std::vector<std::string_view> kPictureExtensions = {"jpg", "jpeg", "jpe",  "jfif", "png",  "apng", "bmp",
                                                          "dib", "pnm",  "pbm",  "pgm",  "ppm",  "tga",  "gif",
                                                          "tif", "tiff", "webp", "dcm",  "dicom"};
// Of a picture's file: metadata, and eight bytes for each pixel of the limit.
constexpr std::uint64_t kMetadata = std::uint64_t{64} << 20, kFileBytesPerPixel = 8;

// Samples that came from one input: files below a root, or the pictures of one array.
struct Part {
  std::size_t first = 0, count = 0;
  fs::path root;
  std::vector<std::string> paths;  // relative to root
  std::vector<std::string> ids;    // where the input names them; else they follow from the paths
  std::unique_ptr<ArrayPictures> pictures;
  std::string array_id;
};

class ListedSource final : public ImageSource {
 public:
  ListedSource(std::vector<Part> parts, const ImageSourceOptions& options)
      : parts_(std::move(parts)), id_stem_(options.id_stem), limits_(options.limits) {}

  void set_labels(ClassLabels labels) {
    labels_ = std::move(labels);
    has_labels_ = true;
  }

  std::size_t size() const override { return parts_.empty() ? 0 : parts_.back().first + parts_.back().count; }

  std::string id(std::size_t i) const override {
    const Part& part = part_of(i);
    const std::size_t row = i - part.first;
    if (part.pictures) return part.pictures->single() ? part.array_id : fmt::format("{}#{}", part.array_id, row);
    if (!part.ids.empty() && !part.ids[row].empty()) return percent_escaped(part.ids[row]);
    return sample_id(part.paths[row], id_stem_);
  }

  bool has_labels() const override { return has_labels_; }
  const std::vector<std::string>& label_names() const override { return labels_.names(); }
  std::int32_t label(std::size_t i) const override { return has_labels_ ? labels_[i] : -1; }

  Loaded load(std::size_t i) const override {
    const Part& part = part_of(i);
    Loaded loaded;
    if (part.pictures) {
      loaded.image = part.pictures->image(i - part.first);
      loaded.digest = digest_of(loaded.image);
      return loaded;
    }
    const std::string path = (part.root / part.paths[i - part.first]).string();
    const std::vector<std::byte> bytes = read_picture_file(path);
    loaded.digest = sha256(std::span(bytes));
    loaded.image =
        array_format(bytes) == ArrayFormat::npy ? single_picture(bytes, path) : decode_image(bytes, path, limits_);
    return loaded;
  }

  Digest digest(std::size_t i) const override {
    const Part& part = part_of(i);
    if (part.pictures) return digest_of(part.pictures->image(i - part.first));
    return sha256(std::span<const std::byte>(read_picture_file((part.root / part.paths[i - part.first]).string())));
  }

  // Throws Error naming the first id that two samples have. Ids are compared by hash first, so that millions fit.
  void require_unique_ids() const;

 private:
  const Part& part_of(std::size_t i) const {
    const auto behind = std::upper_bound(parts_.begin(), parts_.end(), i,
                                         [](std::size_t sample, const Part& part) { return sample < part.first; });
    return *std::prev(behind);
  }

  std::vector<std::byte> read_picture_file(const std::string& path) const {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status)) {
      throw Error(path, "is not a regular file");  // a pipe or a device could keep us waiting for ever
    }
    return read_file(path, limits_.max_pixels * kFileBytesPerPixel + kMetadata);
  }

  Image single_picture(std::span<const std::byte> bytes, const std::string& path) const {
    StoredArray array;
    const auto owner = std::make_shared<const Tensor>(read_npy(bytes, path));
    const ArrayPictures pictures(stored_tensor(owner, path), limits_);
    if (pictures.size() == 1) return pictures.image(0);
    throw Error(path, fmt::format("holds {} pictures where one is needed", pictures.size()),
                "give the file itself as input");
  }

  std::vector<Part> parts_;
  ClassLabels labels_;
  bool has_labels_ = false, id_stem_ = false;
  ImageLimits limits_;
};

void ListedSource::require_unique_ids() const {
  // The rows of one array differ among themselves: one entry stands for them, as it does in what they clash with.
  std::vector<std::size_t> samples;
  for (const Part& part : parts_) {
    for (std::size_t row = 0; row < (part.pictures ? 1 : part.count); ++row) samples.push_back(part.first + row);
  }
  const auto name = [&](std::size_t i) {
    const Part& part = part_of(samples[i]);
    return part.pictures ? part.array_id : id(samples[i]);
  };
  mt::require_unique_ids(samples.size(), name);
}

// Collects the list in the order of the options.
class Builder {
 public:
  explicit Builder(const ImageSourceOptions& options)
      : options_(options), storage_{ArrayStorage().in_memory, options.temporary_directory} {}

  std::unique_ptr<ImageSource> build() {
    if (options_.inputs.empty() && options_.manifests.empty()) {
      throw UsageError("", "no input was given", "name files, directories, arrays, or \"-\" for a list of paths");
    }
    for (const std::string& input : options_.inputs) add_input(input);
    for (const std::string& manifest : options_.manifests) add_manifest(manifest);
    if (!options_.array.empty() && !used_npz_)
      throw UsageError(options_.array, "names an array, but no input is an .npz file");
    if (count_ == 0) throw Error("", "the inputs hold no samples", "name at least one picture");
    auto source = std::make_unique<ListedSource>(std::move(parts_), options_);
    source->require_unique_ids();
    if (!by_folder() && !options_.labels.empty()) {
      const LabelFile file{options_.labels, columns(), options_.label_array, options_.id_stem};
      labels_ = read_label_file(
          file, source->size(), [&](std::size_t i) { return source->id(i); }, storage_);
      has_labels_ = true;
    }
    labels_.finish();
    if (has_labels_) source->set_labels(std::move(labels_));
    return source;
  }

 private:
  bool by_folder() const { return options_.labels == "directory"; }
  // Labels that inputs bring along count only when no others are asked for.
  bool own_labels() const { return options_.labels.empty(); }
  ManifestColumns columns() const { return {options_.path_column, options_.label_column, options_.id_column, {}}; }

  Part& new_part(std::size_t count) {
    throw_if_interrupted();
    Part& part = parts_.emplace_back();
    part.first = count_;
    part.count = count;
    count_ += count;
    return part;
  }

  void add_input(const std::string& input) {
    if (input == "-") return add_list();
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (!fs::exists(status)) throw system_error(input, "open", error ? error.value() : ENOENT);
    if (fs::is_directory(status)) return add_directory(input);
    if (!fs::is_regular_file(status)) throw Error(input, "is neither a file nor a directory");
    const std::string extension = lower_ascii(fs::path(input).extension().string());
    const bool picture =
        !extension.empty() && std::find(kPictureExtensions.begin(), kPictureExtensions.end(),
                                        std::string_view(extension).substr(1)) != kPictureExtensions.end();
    const ArrayFormat format = picture ? ArrayFormat::none : array_format(fs::path(input));
    switch (format) {
      case ArrayFormat::none:
        return add_files(fs::path(input).parent_path(), {fs::path(input).filename().string()});
      case ArrayFormat::idx:
        return add_idx(input);
      case ArrayFormat::npy:
        return add_array(input, open_npy(input), std::nullopt);
      case ArrayFormat::npz:
        return add_npz(input);
    }
  }

  void add_directory(const fs::path& directory) {
    std::vector<std::string> paths = list_files(directory, kPictureExtensions);
    if (paths.empty()) {
      throw Error(directory.string(), "holds no picture files",
                  "files named .jpg, .png, .bmp, .pgm, .tga, .gif, .tif, .webp, .dcm and the like are taken");
    }
    add_files(directory, std::move(paths));
  }

  void add_list() {
    if (std::exchange(read_list_, true)) throw UsageError("-", "standard input was named twice");
    const std::vector<std::byte> bytes = read_stdin(kMostListBytes);
    add_files({}, paths_listed({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  }

  void add_files(const fs::path& root, std::vector<std::string> paths) {
    for (const std::string& path : paths) {
      if (by_folder())
        labels_.add(folder_name(root / path));
      else
        labels_.add_unknown();
    }
    has_labels_ = has_labels_ || by_folder();
    Part& part = new_part(paths.size());
    part.root = root;
    part.paths = std::move(paths);
  }

  void add_manifest(const std::string& name) {
    if (name == "-") throw UsageError(name, "a manifest is not read from standard input", "name its file");
    std::vector<std::string> paths, ids;
    const fs::path root = fs::path(name).parent_path();
    const bool labelled = read_manifest(name, columns(), [&](ManifestRow row) {
      if (by_folder())
        labels_.add(folder_name(root / row.path));
      else
        labels_.add(own_labels() ? row.label : "");
      paths.push_back(std::move(row.path));
      ids.push_back(std::move(row.id));
    });
    has_labels_ = has_labels_ || by_folder() || (own_labels() && labelled);
    if (std::all_of(ids.begin(), ids.end(), [](const std::string& id) { return id.empty(); })) ids.clear();
    Part& part = new_part(paths.size());
    part.root = root;
    part.paths = std::move(paths);
    part.ids = std::move(ids);
  }

  void add_array(const fs::path& path, StoredArray array, const std::optional<StoredArray>& labels) {
    if (by_folder())
      throw UsageError("--labels directory", fmt::format("{} is an array, not a file in a folder", path.string()));
    auto pictures = std::make_unique<ArrayPictures>(std::move(array), options_.limits);
    if (labels && own_labels()) {
      add_array_labels(labels_, *labels, pictures->size());
      has_labels_ = true;
    } else {
      labels_.add_unknown(pictures->size());
    }
    Part& part = new_part(pictures->size());
    part.array_id = sample_id(path.filename().string(), options_.id_stem);
    part.pictures = std::move(pictures);
  }

  void add_idx(const fs::path& path) {
    std::optional<StoredArray> labels;
    if (const auto beside = idx_labels_beside(path); beside && own_labels()) labels = open_idx(*beside, storage_);
    add_array(path, open_idx(path, storage_), labels);
  }

  void add_npz(const fs::path& path) {
    used_npz_ = true;
    const NpzChoice choice = choose_npz_arrays(list_npz(path), options_.array, options_.label_array, path.string());
    std::optional<StoredArray> labels;
    if (!choice.labels.empty() && own_labels()) labels = open_npz(path, choice.labels, storage_);
    add_array(path, open_npz(path, choice.pictures, storage_), labels);
  }

  const ImageSourceOptions& options_;
  ArrayStorage storage_;
  std::vector<Part> parts_;
  std::size_t count_ = 0;
  ClassLabels labels_;
  bool has_labels_ = false, read_list_ = false, used_npz_ = false;
};

}  // namespace

std::unique_ptr<ImageSource> ImageSource::open(const ImageSourceOptions& options) { return Builder(options).build(); }

}  // namespace mt
