#include "tokenize/tabular/tabular_samples.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr std::size_t kCodes = 2;

std::size_t place_in(const TableSource& source, const std::string& name) {
  const auto found = std::find(source.columns().begin(), source.columns().end(), name);
  if (found != source.columns().end()) return static_cast<std::size_t>(found - source.columns().begin());
  const std::string near = nearest(name, source.columns());
  throw Error("table", fmt::format("has no column \"{}\", which the tokenizer was fitted on", printable(name)),
              near.empty() ? "give a table of the training data's columns" : fmt::format("is it \"{}\"?", near));
}

// 128 bits of each id: enough to tell a hundred million apart.
using IdKey = std::array<std::uint64_t, 2>;

IdKey key_of(std::string_view id) {
  const Digest digest = sha256(id);
  IdKey key;
  std::memcpy(key.data(), digest.data(), sizeof key);
  return key;
}

}  // namespace

TabularSamples::TabularSamples(const TableSource& source, const TableSchema& schema, TableRoles roles)
    : source_(source), schema_(schema), roles_(std::move(roles)) {
  for (const TableColumn& column : schema.columns()) place_.push_back(place_in(source, column.name));
  for (std::size_t c = 0; schema.bypass_numeric() && c < schema.columns().size(); ++c) {
    if (schema.columns()[c].numeric) bypassed_.push_back(c);
  }
  if (roles_.label || roles_.id) read_labels_and_ids();
}

void TabularSamples::read_labels_and_ids() {
  std::vector<IdKey> keys;
  source_.for_each([&](const TableRow* row) {
    if (roles_.label)
      labels_.add(row == nullptr || schema_.is_missing((*row)[*roles_.label]) ? "" : (*row)[*roles_.label]);
    if (roles_.id && row != nullptr) {
      if ((*row)[*roles_.id].empty()) throw Error("--id-column", "a row has an empty id", "fill the column");
      keys.push_back(key_of((*row)[*roles_.id]));
    }
  });
  if (roles_.label) labels_.finish();
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) {
    throw Error("--id-column", "two rows have the same id", "make ids unique, or leave --id-column out");
  }
}

Schema TabularSamples::schema() const {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "tabular";
  schema.width = 1;
  schema.code_width = kCodes;
  schema.has_labels = has_labels();
  schema.label_names = labels_.names();
  schema.target_width = roles_.targets.size();
  schema.number_width = bypassed_.size();
  for (const std::size_t column : bypassed_) schema.number_names.push_back(schema_.columns()[column].name);
  schema.positions = schema.pre_norm = false;
  schema.config = {{"modality", "tabular"}};
  if (roles_.label) schema.config["label"] = source_.columns()[*roles_.label];
  for (const std::size_t target : roles_.targets) schema.target_names.push_back(source_.columns()[target]);
  return schema;
}

std::vector<std::string> TabularSamples::unused() const {
  std::set<std::size_t> used(place_.begin(), place_.end());
  used.insert(roles_.targets.begin(), roles_.targets.end());
  if (roles_.label) used.insert(*roles_.label);
  if (roles_.id) used.insert(*roles_.id);
  std::vector<std::string> names;
  for (std::size_t c = 0; c < source_.columns().size(); ++c) {
    if (!used.contains(c)) names.push_back(source_.columns()[c]);
  }
  return names;
}

std::string TabularSamples::id(std::size_t i) const {
  if (!roles_.id) return source_.place(i);
  try {
    TableRow row;
    source_.read(i, row);
    return percent_escaped(row[*roles_.id]);
  } catch (const Error&) {
    return source_.place(i);  // a damaged row goes by its place: it will be rejected under this name
  }
}

Batch TabularSamples::empty_batch() const {
  Batch batch;
  batch.rows = Tensor(DType::f32, {0, 1});
  batch.codes = Tensor(DType::i32, {0, kCodes});
  if (!roles_.targets.empty()) batch.targets = Tensor(DType::f32, {0, roles_.targets.size()});
  if (!bypassed_.empty()) batch.numbers = Tensor(DType::f32, {0, bypassed_.size()});
  return batch;
}

Digest TabularSamples::make(std::size_t i, Batch& batch) const {
  thread_local TableRow row;  // its memory is used again
  const Digest digest = source_.read(i, row);
  const auto& columns = schema_.token_columns();
  const std::size_t before = batch.rows.rows();
  batch.rows.resize_rows(before + columns.size());
  batch.codes.resize_rows(before + columns.size());
  const auto numbers = batch.rows.as<float>().subspan(before);
  const auto codes = batch.codes.as<std::int32_t>().subspan(before * kCodes);
  for (std::size_t t = 0; t < columns.size(); ++t) {
    const TableSchema::Cell cell = schema_.cell(columns[t], row[place_[columns[t]]]);
    numbers[t] = cell.number;
    codes[t * kCodes] = cell.entry;
    codes[t * kCodes + 1] = static_cast<std::int32_t>(columns[t]);
  }
  if (!bypassed_.empty()) make_numbers(row, batch);
  if (!roles_.targets.empty()) make_targets(row, batch);
  return digest;
}

void TabularSamples::make_numbers(const TableRow& row, Batch& batch) const {
  const std::size_t sample = batch.numbers.rows();
  batch.numbers.resize_rows(sample + 1);
  for (std::size_t k = 0; k < bypassed_.size(); ++k)
    batch.numbers.row<float>(sample)[k] = schema_.cell(bypassed_[k], row[place_[bypassed_[k]]]).number;
}

void TabularSamples::make_targets(const TableRow& row, Batch& batch) const {
  const std::size_t sample = batch.targets.rows();
  batch.targets.resize_rows(sample + 1);
  for (std::size_t k = 0; k < roles_.targets.size(); ++k) {
    const std::string_view field = row[roles_.targets[k]];
    const auto x = parse_double(field);
    if (!x || !std::isfinite(static_cast<float>(*x))) {
      throw Error("",
                  fmt::format("target \"{}\": \"{}\" is no finite number",
                              printable(source_.columns()[roles_.targets[k]]), printable(field.substr(0, 40))),
                  "mend it");
    }
    batch.targets.row<float>(sample)[k] = static_cast<float>(*x);
  }
}

}  // namespace mt
