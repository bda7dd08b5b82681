// Rows of a table as samples: what the pipeline calls for tabular data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "decode/class_labels.h"
#include "decode/table_source.h"
#include "store/schema.h"
#include "tokenize/pipeline.h"
#include "tokenize/tabular/table_schema.h"

namespace mt {

// Columns of the source that are no features.
struct TableRoles {
  std::optional<std::size_t> label, id;
  std::vector<std::size_t> targets;
};

// A token is a column: patches [number], 0 where there is none; codes [entry, column], entry -1 for a number, column
// counted over the schema's. Numbers that the schema bypasses are the sample's numbers, 0 where one is missing.
class TabularSamples : public SampleMaker {
 public:
  // Source and schema must outlive this. Reads the rows once for labels and ids, where there are any. Throws Error: a
  // column of the schema that the source lacks, ids that are not unique.
  TabularSamples(const TableSource& source, const TableSchema& schema, TableRoles roles);

  Schema schema() const;
  // Names of the source's columns that the schema does not use and that have no role.
  std::vector<std::string> unused() const;

  std::size_t size() const override { return source_.size(); }
  std::string id(std::size_t i) const override;
  bool has_labels() const override { return roles_.label.has_value(); }
  std::int32_t label(std::size_t i) const override { return has_labels() ? labels_[i] : -1; }
  Digest digest(std::size_t i) const override { return source_.digest(i); }
  Batch empty_batch() const override;
  // Throws Error too: a numeric column or a target that is no finite number.
  Digest make(std::size_t i, Batch& batch) const override;

 private:
  void read_labels_and_ids();
  void make_numbers(const TableRow& row, Batch& batch) const;
  void make_targets(const TableRow& row, Batch& batch) const;

  const TableSource& source_;
  const TableSchema& schema_;
  TableRoles roles_;
  std::vector<std::size_t> place_;     // in the source, of each column of the schema
  std::vector<std::size_t> bypassed_;  // of the schema's columns, those that make no token
  ClassLabels labels_;
};

}  // namespace mt
