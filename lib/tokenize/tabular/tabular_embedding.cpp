#include "tokenize/tabular/tabular_embedding.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "tokenize/tabular/table_schema.h"

namespace mt {

namespace {

constexpr std::string_view kWhere = "tokenizer/tabular";
enum CodeColumn : std::size_t { kEntry, kColumn, kCodes };
constexpr std::int32_t kNumber = -1;

// Rows of the weights: numeric columns in their order.
std::vector<std::int32_t> weight_rows(const TableSchema& schema) {
  std::vector<std::int32_t> rows;
  std::int32_t next = 0;
  for (const TableColumn& column : schema.columns()) {
    rows.push_back(column.numeric && !schema.bypass_numeric() ? next++ : -1);
  }
  return rows;
}

Tensor normal(Shape shape, const char* name, float deviation, std::uint64_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  Random(seed, stream_of(std::string("tabular tokenizer: ") + name)).fill_normal(tensor.as<float>(), 0, deviation);
  return tensor;
}

// One column of the codes of the rows whose entry is, or is not, a number, and which rows these are.
struct Chosen {
  std::vector<std::size_t> rows;
  std::vector<std::int32_t> codes;
};
Chosen choose(const PatchRows& in, CodeColumn code, bool numbers) {
  Chosen chosen;
  for (std::size_t t = 0; t < in.rows(); ++t) {
    const auto codes = in.codes.row<std::int32_t>(t);
    if ((codes[kEntry] == kNumber) != numbers) continue;
    chosen.rows.push_back(t);
    chosen.codes.push_back(codes[code]);
  }
  return chosen;
}

std::vector<std::int32_t> column_numbers(const PatchRows& in) {
  std::vector<std::int32_t> numbers(in.rows());
  for (std::size_t t = 0; t < numbers.size(); ++t) numbers[t] = in.codes.row<std::int32_t>(t)[kColumn];
  return numbers;
}

}  // namespace

TabularEmbedding::TabularEmbedding(const Part& part)
    : entries_("entries", tokenizer_floats(part, "entries", {0, 0}, kWhere)), frame_(part, entries_.width()) {
  const TableSchema schema(part);
  if (entries_.entries() != schema.entries()) {
    throw Error(kWhere, fmt::format("entries has {} rows, its columns want {}", entries_.entries(), schema.entries()),
                "check the model with mt-inspect");
  }
  weight_row_ = weight_rows(schema);
  const auto numeric = static_cast<std::size_t>(*std::max_element(weight_row_.begin(), weight_row_.end()) + 1);
  if (numeric > 0)
    weight_ = Parameter("weight", tokenizer_floats(part, "weight", {numeric, entries_.width()}, kWhere), true);
  if (part.has("columns")) {
    columns_ =
        Lookup("columns", tokenizer_floats(part, "columns", {schema.columns().size(), entries_.width()}, kWhere));
  }
}

void TabularEmbedding::require(const PatchRows& in, std::size_t sequence) const {
  if (in.codes.columns() != kCodes || in.patches.columns() != 1) {
    throw Error("",
                fmt::format("has {} codes and {} numbers a token, the tokenizer takes {} and 1", in.codes.columns(),
                            in.patches.columns(), std::size_t{kCodes}),
                "make them with mt-tokenize tabular");
  }
  for (std::size_t t = in.begin(sequence); t < in.end(sequence); ++t) {
    const auto codes = in.codes.row<std::int32_t>(t);
    const bool known_column = codes[kColumn] >= 0 && static_cast<std::size_t>(codes[kColumn]) < weight_row_.size();
    const bool number = codes[kEntry] == kNumber;
    if (!known_column || (number && weight_row_[static_cast<std::size_t>(codes[kColumn])] < 0) ||
        (!number && (codes[kEntry] < 0 || static_cast<std::size_t>(codes[kEntry]) >= entries_.entries()))) {
      throw Error(
          "", fmt::format("has the codes {} and {}, which the tokenizer does not have", codes[kEntry], codes[kColumn]),
          "use the tokenizer that made them");
    }
  }
  frame_.require(in, sequence);
}

// [tokens, D], before the frame.
Tensor TabularEmbedding::embedded(const PatchRows& in) const {
  if (in.codes.columns() != kCodes || in.codes.rows() != in.rows() || in.patches.rows() != in.rows()) {
    throw std::logic_error("TabularEmbedding: codes that do not fit their offsets");
  }
  Tensor y(DType::f32, {in.rows(), width()});
  for (std::size_t t = 0; t < in.rows(); ++t) {
    const auto codes = in.codes.row<std::int32_t>(t);
    const auto out = y.row<float>(t);
    if (codes[kEntry] == kNumber) {
      const auto row = static_cast<std::size_t>(weight_row_.at(static_cast<std::size_t>(codes[kColumn])));
      const auto weight = weight_.value.row<float>(row);
      const float x = in.patches.row<float>(t)[0];
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = x * weight[i];
    } else {
      std::ranges::copy(entries_.table.value.row<float>(static_cast<std::size_t>(codes[kEntry])), out.begin());
    }
  }
  if (columns_) columns_->add(column_numbers(in), y);
  return y;
}

Tensor TabularEmbedding::forward(const PatchRows& in) const { return frame_.forward(embedded(in), in); }

void TabularEmbedding::backward(const PatchRows& in, const Tensor& dy, ThreadPool& /*pool*/) {
  const Tensor y = embedded(in);
  Tensor slope(DType::f32, y.shape());
  frame_.backward(y, in, dy, slope);
  if (columns_) columns_->backward(column_numbers(in), slope);
  if (weight_.learns()) {
    const Chosen numbers = choose(in, kColumn, true);
    for (std::size_t n = 0; n < numbers.rows.size(); ++n) {
      const auto row = weight_row_.at(static_cast<std::size_t>(numbers.codes[n]));
      const auto gradient = weight_.gradient.row<float>(static_cast<std::size_t>(row));
      const auto d = std::as_const(slope).row<float>(numbers.rows[n]);
      const float x = in.patches.row<float>(numbers.rows[n])[0];
      for (std::size_t i = 0; i < d.size(); ++i) gradient[i] += x * d[i];
    }
  }
  if (!entries_.table.learns()) return;
  const Chosen looked_up = choose(in, kEntry, false);
  Tensor slopes(DType::f32, {looked_up.rows.size(), width()});
  for (std::size_t i = 0; i < looked_up.rows.size(); ++i) {
    std::ranges::copy(std::as_const(slope).row<float>(looked_up.rows[i]), slopes.row<float>(i).begin());
  }
  entries_.backward(looked_up.codes, slopes);
}

template <class Self>
auto TabularEmbedding::parameters_of(Self& self) {
  std::vector all = {&self.entries_.table};
  if (!self.weight_.value.empty()) all.push_back(&self.weight_);
  if (self.columns_) all.push_back(&self.columns_->table);
  const auto around = self.frame_.parameters();
  all.insert(all.end(), around.begin(), around.end());
  return all;
}

std::vector<Parameter*> TabularEmbedding::parameters() { return parameters_of(*this); }

void TabularEmbedding::store(Part& part) const {
  for (const Parameter* parameter : parameters_of(*this)) {
    part.tensors[parameter->name] = parameter->value;
    part.digests.erase(parameter->name);
  }
}

void add_initial_tabular_embedding(Part& part, std::size_t width, std::uint64_t seed) {
  const TableSchema schema(part);
  part.config["embedding"] = "tabular";
  part.config["width"] = width;
  constexpr float kHalf = 0.5F, kRootHalf = 0.70710678F;
  part.tensors["entries"] = normal({schema.entries(), width}, "entries", kHalf, seed);
  if (schema.bypass_numeric()) return;
  part.tensors["columns"] = normal({schema.columns().size(), width}, "columns", kHalf, seed);
  if (schema.numeric_columns() > 0) {
    part.tensors["weight"] = normal({schema.numeric_columns(), width}, "weight", kRootHalf, seed);
  }
  add_initial_frame(part, width, 1, 0, seed);
}

}  // namespace mt
