// Files that hold a series a line, found once and parsed on demand.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "decode/class_labels.h"
#include "decode/sample_id.h"
#include "decode/series/series_lines.h"
#include "decode/series/series_source.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLongestLine = std::size_t{32} << 20;

SeriesFormat format_of(const std::string& input) {
  const std::string extension = lower_ascii(fs::path(input).extension().string());
  return extension == ".ts" ? SeriesFormat::ts : extension == ".arff" ? SeriesFormat::arff : SeriesFormat::tsv;
}

class CaseFiles final : public SeriesSource {
 public:
  explicit CaseFiles(const SeriesSourceOptions& options) {
    std::set<std::string> seen;
    for (const std::string& input : options.inputs) {
      File& file = files_.emplace_back();
      file.where = input;
      file.name = sample_id(fs::path(input).filename().string(), options.id_stem);
      if (!seen.insert(file.name).second)
        throw Error(input, "has the name of another input, so its samples would share their ids", "rename it");
      open(file, format_of(input));
      index(file);
    }
    labels_.finish();
    find_channels();
  }

  std::size_t size() const override { return begins_.size(); }
  std::string id(std::size_t i) const override {
    const File& file = file_of(i);
    return fmt::format("{}#{}", file.name, i - file.first);
  }
  bool has_labels() const override { return files_[0].header.labels; }
  const std::vector<std::string>& label_names() const override { return labels_.names(); }
  std::int32_t label(std::size_t i) const override { return has_labels() ? labels_[i] : -1; }
  bool has_targets() const override { return files_[0].header.targets; }
  std::size_t channels() const override { return channels_; }
  const std::vector<std::string>& channel_names() const override { return no_names_; }

  Loaded load(std::size_t i) const override {
    const File& file = file_of(i);
    const std::string where = fmt::format("{}: case {}", file.where, i - file.first);
    const std::string_view line = line_of(i);
    if (line.size() > kLongestLine)
      throw Error(where, fmt::format("its line is longer than {}", human_bytes(kLongestLine)), "cut the series");
    SeriesCase parsed = parse_series_case(line, file.header, where);
    if (channels_ != 0 && parsed.values.columns() != channels_) {
      throw Error(where, fmt::format("has {} channels, the first case has {}", parsed.values.columns(), channels_),
                  "leave it out");
    }
    Loaded loaded;
    if (has_targets()) {
      const auto target = parse_series_value(parsed.label);
      if (!target || std::isnan(*target))
        throw Error(where, fmt::format("its target \"{}\" is no number", printable(parsed.label)), "correct it");
      loaded.target = *target;
    }
    loaded.values = std::move(parsed.values);
    loaded.digest = sha256(line);
    return loaded;
  }

  Digest digest(std::size_t i) const override { return sha256(line_of(i)); }

  void for_each_training_block(const std::function<void(const Tensor&)>& visit) const override {
    for (std::size_t i = 0; i < size(); ++i) {
      throw_if_interrupted();
      try {
        visit(load(i).values);
      } catch (const Error&) {
        continue;  // will be rejected when its turn comes
      }
    }
  }

 private:
  struct File {
    std::shared_ptr<const MappedFile> bytes;
    std::string_view text;
    SeriesHeader header;
    std::string where, name;
    std::size_t first = 0;  // number of its first case in the list
  };

  void open(File& file, SeriesFormat format) {
    file.bytes = MappedFile::open(file.where);
    file.text = {reinterpret_cast<const char*>(file.bytes->bytes().data()), file.bytes->bytes().size()};
    file.header = parse_series_header(file.text, format, file.where);
    const SeriesHeader& first = files_[0].header;
    if (file.header.labels != first.labels || file.header.targets != first.targets) {
      throw Error(file.where, fmt::format("differs from {} in having classes or targets", files_[0].where),
                  "give them one by one");
    }
  }

  void index(File& file) {
    file.first = begins_.size();
    for (std::size_t at = file.header.data_offset; at < file.text.size();) {
      throw_if_interrupted();
      const std::size_t end = std::min(file.text.find('\n', at), file.text.size());
      const std::string_view line = trimmed(file.text.substr(at, std::min(end - at, kLongestLine)));
      if (!line.empty() && !line.starts_with(comment_mark(file.header.format))) {
        begins_.push_back(at);
        if (file.header.labels) labels_.add(series_label(line, file.header));
      }
      at = end + 1;
    }
  }

  static std::string_view comment_mark(SeriesFormat format) {
    return format == SeriesFormat::ts ? "#" : format == SeriesFormat::arff ? "%" : "\n";
  }

  // The header's, or the first case's that can be read.
  void find_channels() {
    for (const File& file : files_) {
      if (channels_ == 0) channels_ = file.header.channels;
    }
    for (std::size_t i = 0; channels_ == 0 && i < size(); ++i) {
      try {
        channels_ = load(i).values.columns();
      } catch (const Error&) {
        continue;
      }
    }
    if (channels_ == 0) throw Error(files_[0].where, "holds no series that can be read", "look at its lines");
  }

  const File& file_of(std::size_t i) const {
    return *(std::upper_bound(files_.begin(), files_.end(), i,
                              [](std::size_t number, const File& file) { return number < file.first; }) -
             1);
  }

  std::string_view line_of(std::size_t i) const {
    const std::string_view text = file_of(i).text;
    const std::size_t begin = begins_[i];
    return trimmed(text.substr(begin, text.find('\n', begin) - begin));
  }

  std::vector<File> files_;
  std::vector<std::uint64_t> begins_;  // of the lines in their files
  ClassLabels labels_;
  std::size_t channels_ = 0;
  std::vector<std::string> no_names_;
};

}  // namespace

std::unique_ptr<SeriesSource> open_case_files(const SeriesSourceOptions& options) {
  return std::make_unique<CaseFiles>(options);
}

}  // namespace mt
