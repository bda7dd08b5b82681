// What a tabular tokenizer knows of its columns: their kinds, the scale of the numbers, the categories. Fitted on
// training data (table_fit.h), kept in the part "tokenizer/tabular", used for all other data.
//
// The part, C columns, of these N numeric, E entries:
//   categories: bytes, the categories of all categorical columns in the columns' order, one a line, percent-escaped
//   mean, deviation [N] f64 (scale "standard") or quantiles [N, Q] f64 (scale "quantile"), in the columns' order
//   config: modality "tabular", columns [{name, kind "numeric" | "categorical", categories K}], scale, missing (words
//   that mean no value, the empty field besides), bypass_numeric
//   and the embedding: tabular_embedding.h
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/model.h"

namespace mt {

// Words that mean no value, and the empty field.
class MissingWords {
 public:
  explicit MissingWords(const std::vector<std::string>& words);
  bool contains(std::string_view field) const {
    return field.empty() || (starts_[static_cast<unsigned char>(field[0])] && found(field));
  }

 private:
  bool found(std::string_view field) const;

  std::vector<std::string> words_;     // sorted
  std::array<bool, 256> starts_ = {};  // first bytes of words: most fields need no further look
};

enum class NumberScale : std::uint8_t { standard, quantile };

struct TableColumn {
  std::string name;
  bool numeric = false;
  std::vector<std::string> categories;  // sorted bytewise
  double mean = 0, deviation = 1;       // standard
  std::vector<double> quantiles;        // quantile: ascending
};

// Entries are the rows of the table that categories and missing values are looked up in. Of a categorical column:
// unknown, missing, its categories. Of a numeric column: missing. With bypass_numeric, the original's layout: entry 0
// for all that is unknown or missing, then the categories of all columns.
class TableSchema {
 public:
  // Throws Error: no columns, none that makes tokens.
  TableSchema(std::vector<TableColumn> columns, NumberScale scale, std::vector<std::string> missing,
              bool bypass_numeric);
  explicit TableSchema(const Part& part);  // throws Error: not what the head of this file says
  void store(Part& part) const;

  const std::vector<TableColumn>& columns() const { return columns_; }
  NumberScale scale() const { return scale_; }
  bool bypass_numeric() const { return bypass_numeric_; }
  std::size_t entries() const { return entries_; }
  std::size_t numeric_columns() const { return numeric_; }
  // Columns that make a token each: all, or the categorical ones.
  const std::vector<std::size_t>& token_columns() const { return token_columns_; }
  bool is_missing(std::string_view field) const { return missing_.contains(field); }

  struct Cell {
    std::int32_t entry = -1;  // -1: a number
    float number = 0;         // scaled
  };
  // A field of a column. Throws Error: a numeric column's field that is no finite number.
  Cell cell(std::size_t column, std::string_view field) const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  void number_entries();
  float scaled(const TableColumn& column, double x) const;

  std::vector<TableColumn> columns_;
  NumberScale scale_;
  std::vector<std::string> missing_words_;
  MissingWords missing_;
  bool bypass_numeric_;
  std::size_t entries_ = 0, numeric_ = 0;
  std::vector<std::size_t> token_columns_;
  std::vector<std::int32_t> unknown_entry_, missing_entry_;  // of each column
  std::vector<std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>> lookup_;
};

// The words that pandas.read_csv takes for no value.
const std::vector<std::string>& usual_missing_words();

}  // namespace mt
