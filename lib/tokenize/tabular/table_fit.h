// A table's schema found in its rows: kinds of columns, scales of numbers, categories.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "decode/table_source.h"
#include "tokenize/tabular/table_schema.h"

namespace mt {

struct TableFitting {
  std::vector<std::size_t> numeric, categorical, dropped;  // columns of the source, whatever they look like
  std::vector<std::string> missing = usual_missing_words();
  NumberScale scale = NumberScale::standard;
  std::size_t quantiles = 1000;  // at most, and no more than rows
  std::uint64_t min_count = 1;   // rarer categories are unknown ones
  bool bypass_numeric = false;
};

struct FittedTable {
  TableSchema schema;
  std::vector<std::string> summary;  // a line for each column of the source: what it is taken for
};

// A column is numeric when all its values are numbers, as pandas.read_csv has it; one without values is left out.
// Reads the rows twice; damaged rows and infinite numbers do not take part. Throws Error: no row, more than 1,000,000
// categories in a column, no column left.
FittedTable fit_table(const TableSource& source, const TableFitting& fitting);

}  // namespace mt
