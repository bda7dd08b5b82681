#include "decode/manifest.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "decode/delimited.h"

namespace mt {

namespace {

using RowSink = std::function<void(ManifestRow)>;

// A JSON document is parsed as a whole, so it is bounded; JSON lines are not.
constexpr std::uint64_t kMaxDocument = std::uint64_t{256} << 20;

void emit(ManifestRow row, const RowSink& sink) {
  if (row.path.empty()) throw Error(row.where, "has an empty path", "name a file");
  sink(std::move(row));
}

// The column's place; nullopt when it is missing and only its default name was looked for.
std::optional<std::size_t> optional_column(const std::vector<std::string>& header, const std::string& name,
                                           const std::string& usual, const std::string& where) {
  if (name == usual && std::find(header.begin(), header.end(), name) == header.end()) return std::nullopt;
  return column_named(header, name, where);
}

// A manifest that can be looked at more than once: a file by opening it again, a pipe by keeping its text.
class Text {
 public:
  explicit Text(std::filesystem::path file)
      : file_(std::move(file)), extension_(lower_ascii(file_.extension().string())) {
    std::error_code error;
    const bool pipe = std::filesystem::exists(file_, error) && !std::filesystem::is_regular_file(file_, error) &&
                      !std::filesystem::is_directory(file_, error);
    if (pipe) kept_ = read_text_file(file_, kMaxDocument);
  }
  std::string name() const { return file_.string(); }
  const std::string& extension() const { return extension_; }
  std::unique_ptr<DelimitedReader> records(const DelimitedOptions& options) const {
    if (kept_) return std::make_unique<DelimitedReader>(*kept_, name(), options);
    return std::make_unique<DelimitedReader>(file_, options);
  }
  // One record a line, whatever characters are in it.
  std::unique_ptr<DelimitedReader> lines() const {
    DelimitedOptions options;
    options.separator = '\n';
    options.quotes = false;
    return records(options);
  }
  nlohmann::json document() const { return parse_json(kept_ ? *kept_ : read_text_file(file_, kMaxDocument), name()); }

 private:
  std::filesystem::path file_;
  std::string extension_;
  std::optional<std::string> kept_;
};

bool read_delimited(const Text& text, const ManifestColumns& columns, const RowSink& sink) {
  DelimitedOptions options;
  if (text.extension() == ".tsv" || text.extension() == ".tab") options.separator = '\t';
  const std::unique_ptr<DelimitedReader> opened = text.records(options);
  DelimitedReader& reader = *opened;
  std::vector<std::string> fields;
  if (!reader.next(fields)) throw Error(text.name(), "is empty", "write a header and a line for each sample");
  const ManifestColumns usual;
  const std::size_t path = column_named(fields, columns.path, text.name());
  const auto label = optional_column(fields, columns.label, usual.label, text.name());
  const auto id = optional_column(fields, columns.id, usual.id, text.name());
  std::vector<std::optional<std::size_t>> others;
  for (const std::string& name : columns.others) others.push_back(optional_column(fields, name, name, text.name()));
  while (reader.next(fields)) {
    ManifestRow row{fields[path], label ? fields[*label] : "", id ? fields[*id] : "", {}, reader.where()};
    for (const auto& column : others) row.others.push_back(column ? fields[*column] : "");
    emit(std::move(row), sink);
  }
  return label.has_value();
}

std::string value_text(const nlohmann::json& object, const std::string& key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number() || found->is_boolean()) return found->dump();
  throw Error(where, fmt::format("has a list or an object as \"{}\"", key), "a string or a number is needed");
}

struct JsonRows {
  const ManifestColumns& columns;
  const RowSink& sink;
  bool has_labels = false;

  void add(const nlohmann::json& object, std::string where, const std::string& key = {}) {
    if (!object.is_object())
      throw Error(where, "is not a JSON object", fmt::format("write {{\"{}\": ...}}", columns.path));
    if (!object.contains(columns.path)) {
      std::vector<std::string> names;
      for (const auto& item : object.items()) names.push_back(item.key());
      column_named(names, columns.path, where);  // throws, naming what there is
    }
    has_labels = has_labels || object.contains(columns.label);
    std::string id = value_text(object, columns.id, where);
    ManifestRow row{value_text(object, columns.path, where),
                    value_text(object, columns.label, where),
                    id.empty() ? key : std::move(id),
                    {},
                    where};
    for (const std::string& name : columns.others) row.others.push_back(value_text(object, name, where));
    emit(std::move(row), sink);
  }
};

bool read_json_document(const Text& text, JsonRows rows) {
  const nlohmann::json document = text.document();
  if (document.is_array()) {
    for (std::size_t i = 0; i < document.size(); ++i)
      rows.add(document[i], fmt::format("{}: element {}", text.name(), i));
    return rows.has_labels;
  }
  const bool nested =
      document.is_object() && !document.empty() &&
      std::all_of(document.begin(), document.end(), [](const auto& value) { return value.is_object(); });
  if (!nested) {
    rows.add(document, text.name());
    return rows.has_labels;
  }
  for (const auto& item : document.items()) {
    rows.add(item.value(), fmt::format("{}: \"{}\"", text.name(), item.key()), item.key());
  }
  return rows.has_labels;
}

bool read_json_lines(const Text& text, JsonRows rows) {
  const std::unique_ptr<DelimitedReader> reader = text.lines();
  for (std::vector<std::string> line; reader->next(line);) {
    if (!trimmed(line[0]).empty()) rows.add(parse_json(line[0], reader->where()), reader->where());
  }
  return rows.has_labels;
}

// Lines of objects, if the first line is an object by itself and more follow; or by the file's name.
bool is_json_lines(const Text& text) {
  if (text.extension() == ".jsonl" || text.extension() == ".ndjson") return true;
  try {
    const std::unique_ptr<DelimitedReader> reader = text.lines();
    std::vector<std::string> first, second;
    return reader->next(first) && reader->next(second) && parse_json(first[0], "").is_object();
  } catch (const Error&) {  // a document over several lines
    return false;
  }
}

// The first character that is not white space; '\0' when there is none.
char first_character(const Text& text) {
  const std::unique_ptr<DelimitedReader> reader = text.lines();
  for (std::vector<std::string> line; reader->next(line);) {
    if (const std::string_view words = trimmed(line[0]); !words.empty()) return words[0];
  }
  return '\0';
}

enum class Form { delimited, json, json_lines };

Form form_of(const Text& text) {
  const std::string& extension = text.extension();
  if (extension == ".csv" || extension == ".tsv" || extension == ".tab") return Form::delimited;
  // A document on one line may be longer than a record may be.
  const char first = extension == ".json" ? '{' : first_character(text);
  if (first == '{' || extension == ".jsonl" || extension == ".ndjson") {
    return is_json_lines(text) ? Form::json_lines : Form::json;
  }
  return first == '[' ? Form::json : Form::delimited;
}

}  // namespace

bool read_manifest(const std::filesystem::path& file, const ManifestColumns& columns, const RowSink& row) {
  const Text text(file);
  switch (form_of(text)) {
    case Form::json:
      return read_json_document(text, {columns, row});
    case Form::json_lines:
      return read_json_lines(text, {columns, row});
    case Form::delimited:
      break;
  }
  return read_delimited(text, columns, row);
}

}  // namespace mt
