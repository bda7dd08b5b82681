#include "decode/text_lines.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <unordered_set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "decode/text_records.h"

namespace mt {

namespace {

constexpr std::size_t kMostLabels = 1 << 16;
constexpr std::int32_t kUnknown = -1;

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Which fields of a file's records mean what.
struct Columns {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t text = kNone, pair = kNone, label = kNone, id = kNone;
};

// What one record says.
struct Row {
  std::string text, label, id;
  std::optional<std::string> second;
};

std::string field_of(const std::vector<std::string>& fields, std::size_t column) {
  if (column >= fields.size()) {
    throw Error("", fmt::format("has {} columns, column {} is wanted", fields.size(), column + 1), "mend the row");
  }
  return fields[column];
}

// A key's value as text: strings as they are, numbers and booleans (labels, ids) as written.
std::string json_text(const nlohmann::json& object, const std::string& key, bool only_strings) {
  const auto found = object.find(key);
  if (found == object.end()) throw Error("", fmt::format("has no key \"{}\"", printable(key)), "mend the line");
  if (found->is_string()) return found->get<std::string>();
  if (only_strings || found->is_structured()) {
    throw Error("", fmt::format("\"{}\" is {}, not a string", printable(key), found->type_name()), "mend the line");
  }
  return found->is_null() ? std::string() : found->dump();
}

class Source final : public TextSource {
 public:
  explicit Source(const TextSourceOptions& options) : options_(options) {
    if (options_.inputs.empty()) throw UsageError("inputs", "none given", "name files, or - for standard input");
    std::set<std::string> seen;
    for (const std::string& input : options_.inputs) {
      if (!seen.insert(id_stem(input)).second && options_.id_column.empty()) {
        throw Error(printable(input), "has the name of another input, so its rows would share their ids",
                    "rename it, or give --id-column");
      }
      files_.push_back({TextRecords(input, options_.format, options_.separator, options_.max_bytes), {}, {}, input});
      index(files_.back());
    }
    if (!options_.labels.empty()) read_label_file();
    number_labels();
    if (!options_.id_column.empty()) require_unique_ids();
  }

  std::size_t size() const override { return begins_.size(); }
  bool has_labels() const override { return !options_.label_column.empty() || !options_.labels.empty(); }
  const std::vector<std::string>& label_names() const override { return label_names_; }
  std::int32_t label(std::size_t i) const override { return has_labels() ? labels_.at(i) : kUnknown; }

  std::string id(std::size_t i) const override {
    const File& file = file_of(i);
    if (!options_.id_column.empty()) {
      try {
        return percent_escaped(row(file, place_of(i)).id);
      } catch (const Error&) {
        // A damaged row goes by its place: it will be rejected under this name.
      }
    }
    return fmt::format("{}#{}", id_stem(file.input), i - file.first);
  }

  Loaded load(std::size_t i) const override {
    const File& file = file_of(i);
    try {
      Row found = row(file, place_of(i));
      return {std::move(found.text), std::move(found.second)};
    } catch (const Error& error) {
      throw Error(fmt::format("{}: row {}", printable(file.records.name()), i - file.first), error.why(),
                  error.remedy());
    }
  }

  Digest digest(std::size_t i) const override { return sha256(file_of(i).records.bytes(place_of(i))); }

 private:
  struct File {
    TextRecords records;
    Columns columns;
    std::size_t first = 0;  // number of its first row in the list
    std::string input;
  };

  static std::string id_stem(const std::string& input) {
    return percent_escaped(input == "-" ? "stdin" : std::filesystem::path(input).filename().string());
  }

  const File& file_of(std::size_t i) const {
    const auto behind = std::upper_bound(files_.begin(), files_.end(), i,
                                         [](std::size_t row, const File& file) { return row < file.first; });
    return *(behind - 1);
  }
  // The end is found again: one number a row is all that a long list costs.
  TextRecords::Place place_of(std::size_t i) const {
    TextRecords::Place place;
    std::uint64_t next = begins_.at(i);
    file_of(i).records.find(next, place);
    return place;
  }

  Row row(const File& file, TextRecords::Place place) const {
    const std::vector<std::string> fields = file.records.fields(place);
    Row row;
    if (file.records.format() == TextFormat::json) {
      const nlohmann::json object = parse_json(fields[0], "this line");
      if (!object.is_object()) throw Error("", "is not a JSON object", "mend the line");
      row.text = json_text(object, options_.column.empty() ? "text" : options_.column, true);
      if (!options_.pair_column.empty()) row.second = json_text(object, options_.pair_column, true);
      if (!options_.label_column.empty()) row.label = json_text(object, options_.label_column, false);
      if (!options_.id_column.empty()) row.id = json_text(object, options_.id_column, false);
      return row;
    }
    const Columns& columns = file.columns;
    row.text = field_of(fields, columns.text);
    if (columns.pair != Columns::kNone) row.second = field_of(fields, columns.pair);
    if (columns.label != Columns::kNone) row.label = field_of(fields, columns.label);
    if (columns.id != Columns::kNone) row.id = field_of(fields, columns.id);
    return row;
  }

  // Walks through a file once: where its rows start, and what labels they carry.
  void index(File& file) {
    file.first = begins_.size();
    std::uint64_t next = 0;
    TextRecords::Place place;
    read_header(file, next);
    for (std::uint64_t begin = next; file.records.find(next, place); begin = next) {
      begins_.push_back(std::max(begin, place.begin));
      if (options_.label_column.empty()) continue;
      try {
        labels_.push_back(class_number(row(file, place).label));
      } catch (const Error&) {
        labels_.push_back(kUnknown);  // load() will say what is wrong
      }
    }
  }

  void read_header(File& file, std::uint64_t& next) {
    const TextFormat format = file.records.format();
    if (format == TextFormat::json) return;
    const auto named = [](const std::string& column) { return !column.empty() && !is_number(column); };
    const bool names = options_.header || named(options_.column) || named(options_.pair_column) ||
                       named(options_.label_column) || named(options_.id_column);
    if (format == TextFormat::lines) {
      if (names || !options_.column.empty() || !options_.pair_column.empty() || !options_.label_column.empty() ||
          !options_.id_column.empty()) {
        throw UsageError(printable(file.records.name()), "is read as plain lines, which have no columns",
                         "give --format tsv, csv or json");
      }
      file.columns.text = 0;
      return;
    }
    TextRecords::Place place;
    std::uint64_t behind = next;
    if (!file.records.find(behind, place)) return;  // no rows at all
    std::vector<std::string> first;
    try {
      first = file.records.fields(place);
    } catch (const Error& error) {
      if (names) throw error.within(fmt::format("{}: first row", printable(file.records.name())));
    }
    if (names) next = behind;
    if (options_.column.empty() && first.size() > 1) {
      throw UsageError(printable(file.records.name()), fmt::format("has {} columns", first.size()),
                       "say which with --column");
    }
    file.columns = {options_.column.empty() ? 0 : column_named(file, first, options_.column),
                    column_named(file, first, options_.pair_column), column_named(file, first, options_.label_column),
                    column_named(file, first, options_.id_column)};
  }

  std::size_t column_named(const File& file, const std::vector<std::string>& header, const std::string& column) const {
    if (column.empty()) return Columns::kNone;
    if (const auto found = std::find(header.begin(), header.end(), column);
        found != header.end() && !is_number(column)) {
      return static_cast<std::size_t>(found - header.begin());
    }
    const auto number = is_number(column) ? parse_int(column) : std::nullopt;
    if (!number || *number < 1 || (!header.empty() && static_cast<std::size_t>(*number) > header.size())) {
      const std::string near = nearest(column, header);
      throw Error(printable(file.records.name()),
                  fmt::format("has {} columns, none is \"{}\"", header.size(), printable(column)),
                  near.empty() ? "see its first row" : fmt::format("did you mean \"{}\"?", printable(near)));
    }
    return static_cast<std::size_t>(*number) - 1;
  }

  void read_label_file() {
    if (!options_.label_column.empty()) {
      throw UsageError("--labels", "and --label-column were both given", "leave one out");
    }
    const TextRecords lines(options_.labels, TextFormat::lines, '\0', options_.max_bytes);
    std::uint64_t next = 0;
    for (TextRecords::Place place; lines.find(next, place);) labels_.push_back(class_number(lines.fields(place)[0]));
    if (labels_.size() != begins_.size()) {
      throw Error(printable(options_.labels), fmt::format("has {} labels for {} texts", labels_.size(), begins_.size()),
                  "give one a line, in the order of the texts");
    }
  }

  // Numbers in the order of appearance; number_labels() sorts them.
  std::int32_t class_number(const std::string& name) {
    if (name.empty()) return kUnknown;
    const auto [found, added] = classes_.emplace(name, static_cast<std::int32_t>(classes_.size()));
    if (added && classes_.size() > kMostLabels) {
      throw UsageError("labels", fmt::format("there are more than {} different ones", kMostLabels),
                       "see that the label column holds classes");
    }
    return found->second;
  }

  void number_labels() {
    for (const auto& [name, number] : classes_) label_names_.push_back(name);
    if (std::all_of(label_names_.begin(), label_names_.end(),
                    [](const auto& name) { return parse_int(name).has_value(); })) {
      std::stable_sort(label_names_.begin(), label_names_.end(),
                       [](const auto& a, const auto& b) { return *parse_int(a) < *parse_int(b); });
    }
    std::vector<std::int32_t> renumbered(classes_.size());
    for (std::size_t i = 0; i < label_names_.size(); ++i) {
      renumbered[static_cast<std::size_t>(classes_.at(label_names_[i]))] = static_cast<std::int32_t>(i);
    }
    for (std::int32_t& label : labels_) {
      if (label != kUnknown) label = renumbered[static_cast<std::size_t>(label)];
    }
  }

  void require_unique_ids() const {
    std::unordered_set<std::string> seen;
    for (std::size_t i = 0; i < size(); ++i) {
      const std::string name = id(i);
      if (name.empty()) throw Error(fmt::format("row {}", i), "has an empty id", "fill the id column");
      if (!seen.insert(name).second) {
        throw Error(fmt::format("row {}", i), fmt::format("has the id \"{}\" of an earlier row", printable(name)),
                    "make ids unique, or leave --id-column out");
      }
    }
  }

  TextSourceOptions options_;
  std::vector<File> files_;
  std::vector<std::uint64_t> begins_;  // of rows in their file
  std::vector<std::int32_t> labels_;   // with labels only
  std::map<std::string, std::int32_t> classes_;
  std::vector<std::string> label_names_;
};

}  // namespace

std::unique_ptr<TextSource> TextSource::open(const TextSourceOptions& options) {
  return std::make_unique<Source>(options);
}

}  // namespace mt
