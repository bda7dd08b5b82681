#include "tokenize/tabular/table_schema.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "tokenize/tabular/number_scale.h"
#include "tokenize/text/text_tokenizer.h"

namespace mt {

namespace {

constexpr std::string_view kWhere = "tokenizer/tabular";
constexpr std::size_t kMostColumns = 1 << 16;

[[noreturn]] void damaged(const std::string& why) { throw Error(kWhere, why, "check the model with mt-inspect"); }

const nlohmann::json& member(const nlohmann::json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (found == object.end()) damaged(fmt::format("its configuration has no \"{}\"", name));
  return *found;
}

std::string text_member(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = member(object, name);
  if (!value.is_string()) damaged(fmt::format("its \"{}\" is {}, not a text", name, value.type_name()));
  return value.get<std::string>();
}

// A row of N finite numbers for each numeric column.
std::vector<std::vector<double>> numbers_of(const Part& part, const std::string& name, std::size_t columns) {
  if (columns == 0) return {};
  const Tensor tensor = part.at(name).to(DType::f64);
  if (tensor.shape().empty() || tensor.rows() != columns || tensor.columns() == 0) {
    damaged(fmt::format("{} has the shape {}, there are {} numeric columns", name, to_string(tensor.shape()), columns));
  }
  std::vector<std::vector<double>> rows;
  for (std::size_t i = 0; i < columns; ++i) {
    const auto row = tensor.row<double>(i);
    if (!std::all_of(row.begin(), row.end(), [](double x) { return std::isfinite(x); })) {
      damaged(fmt::format("{} holds NaN or infinite values", name));
    }
    rows.emplace_back(row.begin(), row.end());
  }
  return rows;
}

std::vector<TableColumn> columns_in(const Part& part) {
  const nlohmann::json& listed = member(part.config, "columns");
  if (!listed.is_array() || listed.empty() || listed.size() > kMostColumns) damaged("it lists no columns");
  std::vector<std::string> categories;
  if (part.has("categories")) categories = lines_of(part.at("categories"));
  std::vector<TableColumn> columns;
  std::size_t taken = 0;
  for (const nlohmann::json& entry : listed) {
    TableColumn column;
    column.name = text_member(entry, "name");
    const std::string kind = text_member(entry, "kind");
    column.numeric = kind == "numeric";
    if (!column.numeric && kind != "categorical")
      damaged(fmt::format("a column is of the kind \"{}\"", printable(kind)));
    if (!column.numeric) {
      const nlohmann::json& count = member(entry, "categories");
      if (!count.is_number_unsigned() || count.get<std::uint64_t>() > categories.size() - taken) {
        damaged(fmt::format("it has {} categories, its columns want more", categories.size()));
      }
      const auto first = categories.begin() + static_cast<std::ptrdiff_t>(taken);
      const auto size = count.get<std::size_t>();
      std::transform(first, first + static_cast<std::ptrdiff_t>(size), std::back_inserter(column.categories),
                     [](const std::string& line) { return percent_decoded(line); });
      taken += size;
    }
    columns.push_back(std::move(column));
  }
  if (taken != categories.size())
    damaged(fmt::format("{} of its {} categories belong to no column", categories.size() - taken, categories.size()));
  return columns;
}

NumberScale scale_in(const Part& part) {
  const std::string name = text_member(part.config, "scale");
  if (name == "standard") return NumberScale::standard;
  if (name == "quantile") return NumberScale::quantile;
  damaged(fmt::format("its scale is \"{}\"", printable(name)));
}

std::vector<TableColumn> with_numbers(std::vector<TableColumn> columns, const Part& part) {
  const auto numeric = static_cast<std::size_t>(
      std::count_if(columns.begin(), columns.end(), [](const TableColumn& column) { return column.numeric; }));
  const bool standard = scale_in(part) == NumberScale::standard;
  const auto first = numbers_of(part, standard ? "mean" : "quantiles", numeric);
  const auto second = standard ? numbers_of(part, "deviation", numeric) : first;
  std::size_t i = 0;
  for (TableColumn& column : columns) {
    if (!column.numeric) continue;
    if (standard) {
      column.mean = first[i][0];
      column.deviation = second[i][0];
      if (!(column.deviation > 0)) damaged("deviation holds a number that is not positive");
    } else {
      column.quantiles = first[i];
      if (!std::is_sorted(first[i].begin(), first[i].end())) damaged("quantiles descend");
    }
    ++i;
  }
  return columns;
}

std::vector<std::string> missing_in(const Part& part) {
  const nlohmann::json& words = member(part.config, "missing");
  std::vector<std::string> missing;
  for (const nlohmann::json& word : words) {
    if (!word.is_string()) damaged("its \"missing\" is no list of words");
    missing.push_back(word.get<std::string>());
  }
  return missing;
}

bool bypass_in(const Part& part) {
  const nlohmann::json& value = member(part.config, "bypass_numeric");
  if (!value.is_boolean()) damaged("its \"bypass_numeric\" is neither true nor false");
  return value.get<bool>();
}

}  // namespace

MissingWords::MissingWords(const std::vector<std::string>& words) : words_(words) {
  std::sort(words_.begin(), words_.end());
  for (const std::string& word : words_) {
    if (!word.empty()) starts_[static_cast<unsigned char>(word[0])] = true;
  }
}

bool MissingWords::found(std::string_view field) const {
  return std::binary_search(words_.begin(), words_.end(), field, std::less<>());
}

TableSchema::TableSchema(std::vector<TableColumn> columns, NumberScale scale, std::vector<std::string> missing,
                         bool bypass_numeric)
    : columns_(std::move(columns)),
      scale_(scale),
      missing_words_(std::move(missing)),
      missing_(missing_words_),
      bypass_numeric_(bypass_numeric) {
  number_entries();
}

TableSchema::TableSchema(const Part& part)
    : TableSchema(with_numbers(columns_in(part), part), scale_in(part), missing_in(part), bypass_in(part)) {}

void TableSchema::number_entries() {
  const auto entry = [](std::size_t number) { return checked_cast<std::int32_t>(number, kWhere); };
  entries_ = bypass_numeric_ ? 1 : 0;
  lookup_.resize(columns_.size());
  unknown_entry_.assign(columns_.size(), 0);
  missing_entry_.assign(columns_.size(), 0);
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const TableColumn& column = columns_[c];
    if (column.numeric) ++numeric_;
    if (!column.numeric || !bypass_numeric_) token_columns_.push_back(c);
    if (!bypass_numeric_) {
      if (!column.numeric) unknown_entry_[c] = entry(entries_++);
      missing_entry_[c] = entry(entries_++);
    }
    lookup_[c].reserve(column.categories.size());
    for (const std::string& category : column.categories) lookup_[c].emplace(category, entry(entries_++));
  }
  if (token_columns_.empty()) {
    throw Error(kWhere, fmt::format("none of {} columns makes a token", columns_.size()),
                bypass_numeric_ ? "leave --bypass-numeric out" : "keep some columns");
  }
}

void TableSchema::store(Part& part) const {
  nlohmann::json columns = nlohmann::json::array();
  std::vector<std::string> categories;
  std::vector<double> first, second;
  for (const TableColumn& column : columns_) {
    columns.push_back({{"name", column.name}, {"kind", column.numeric ? "numeric" : "categorical"}});
    if (!column.numeric) {
      columns.back()["categories"] = column.categories.size();
      for (const std::string& category : column.categories) categories.push_back(percent_escaped(category));
    } else if (scale_ == NumberScale::standard) {
      first.push_back(column.mean);
      second.push_back(column.deviation);
    } else {
      first.insert(first.end(), column.quantiles.begin(), column.quantiles.end());
    }
  }
  part.config["modality"] = "tabular";
  part.config["columns"] = std::move(columns);
  part.config["scale"] = scale_ == NumberScale::standard ? "standard" : "quantile";
  part.config["missing"] = missing_words_;
  part.config["bypass_numeric"] = bypass_numeric_;
  if (!categories.empty()) part.tensors["categories"] = lines_tensor(categories);
  if (numeric_ == 0) return;
  if (scale_ == NumberScale::standard) {
    part.tensors["mean"] = Tensor::of<double>({numeric_}, first);
    part.tensors["deviation"] = Tensor::of<double>({numeric_}, second);
  } else {
    part.tensors["quantiles"] = Tensor::of<double>({numeric_, first.size() / numeric_}, first);
  }
}

float TableSchema::scaled(const TableColumn& column, double x) const {
  if (scale_ == NumberScale::quantile) return static_cast<float>(normal_by_quantiles(x, column.quantiles));
  return static_cast<float>((x - column.mean) / column.deviation);
}

TableSchema::Cell TableSchema::cell(std::size_t number, std::string_view field) const {
  const TableColumn& column = columns_[number];
  if (is_missing(field)) return {missing_entry_[number], 0};
  if (!column.numeric) {
    const auto found = lookup_[number].find(field);
    return {found == lookup_[number].end() ? unknown_entry_[number] : found->second, 0};
  }
  const auto x = parse_double(field);
  const float value = x ? scaled(column, *x) : 0;
  if (!x || !std::isfinite(*x) || !std::isfinite(value)) {
    throw Error("",
                fmt::format("column \"{}\": \"{}\" is no {}", printable(column.name), printable(field.substr(0, 40)),
                            x ? "finite number" : "number"),
                "mend it, or name it with --missing");
  }
  return {-1, value};
}

const std::vector<std::string>& usual_missing_words() {
  static const std::vector<std::string> words = {"#N/A", "#N/A N/A", "#NA",     "-1.#IND", "-1.#QNAN", "-NaN",
                                                 "-nan", "1.#IND",   "1.#QNAN", "<NA>",    "N/A",      "NA",
                                                 "NULL", "NaN",      "None",    "n/a",     "nan",      "null"};
  return words;
}

}  // namespace mt
