#include "tokenize/tabular/tabular_embedding.h"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "support/gradients.h"
#include "tokenize/tabular/table_schema.h"

using namespace mt;

namespace {

constexpr std::size_t kWidth = 5;

// Columns: number, categories p q, number. Entries: 0 missing; 1 unknown, 2 missing, 3 p, 4 q; 5 missing.
Part schema_part(bool bypass = false) {
  std::vector<TableColumn> columns(3);
  columns[0] = {"n", true, {}, 0, 1, {}};
  columns[1] = {"w", false, {"p", "q"}, 0, 1, {}};
  columns[2] = {"m", true, {}, 0, 1, {}};
  Part part;
  TableSchema(columns, NumberScale::standard, {}, bypass).store(part);
  return part;
}

struct TableRows {
  Tensor patches = Tensor::of<float>({6, 1}, {0.5F, 0, -2, 0, 0, 1.5F});
  Tensor codes = Tensor::of<std::int32_t>({6, 2}, {-1, 0, 4, 1, -1, 2, 0, 0, 1, 1, -1, 2});
  Tensor none;
  std::vector<std::int64_t> offsets = {0, 3, 6};
  PatchRows rows() const { return {patches, codes, none, none, offsets}; }
};

// The formula at the head of tabular_embedding.h, in double precision: cls in front of each row's tokens.
std::vector<double> formula(const std::map<std::string, std::vector<double>>& v, const TableRows& in) {
  std::vector<double> y;
  for (std::size_t t = 0; t < 6; ++t) {
    if (t % 3 == 0) y.insert(y.end(), v.at("cls").begin(), v.at("cls").end());
    const auto codes = in.codes.row<std::int32_t>(t);
    const auto column = static_cast<std::size_t>(codes[1]);
    for (std::size_t i = 0; i < kWidth; ++i) {
      const double own = codes[0] < 0 ? static_cast<double>(in.patches.as<float>()[t]) *
                                            v.at("weight")[(column == 0 ? 0 : 1) * kWidth + i]
                                      : v.at("entries")[static_cast<std::size_t>(codes[0]) * kWidth + i];
      y.push_back(own + v.at("columns")[column * kWidth + i]);
    }
  }
  return y;
}

}  // namespace

TEST_CASE("tabular embedding: forward is the formula, backward its slope") {
  Part part = schema_part();
  add_initial_tabular_embedding(part, kWidth, 3);
  const auto embedding = token_embedding_of(part);
  CHECK(embedding->width() == kWidth);
  CHECK(embedding->prefix() == 1);
  const TableRows in;
  std::map<std::string, std::vector<double>> values;
  for (Parameter* parameter : embedding->parameters()) {
    parameter->clear_gradient();
    values[parameter->name] = test::doubles(std::as_const(parameter->value).as<float>());
  }
  CHECK(values.size() == 4);
  const Tensor y = embedding->forward(in.rows());
  const std::vector<double> expected = formula(values, in);
  REQUIRE(y.size() == expected.size());
  CHECK(test::relative_difference(y.as<float>(), expected) < 1e-6);  // one product and one sum in float32

  Tensor dy(DType::f32, y.shape());
  Random(5).fill_normal(dy.as<float>(), 0, 1);
  ThreadPool pool(1);
  embedding->backward(in.rows(), dy, pool);
  for (Parameter* parameter : embedding->parameters()) {
    CAPTURE(parameter->name);
    auto& own = values.at(parameter->name);
    const auto slopes = test::central_differences(own, [&] {
      const std::vector<double> out = formula(values, in);
      double sum = 0;
      for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * std::as_const(dy).as<float>()[i];
      return sum;
    });
    CHECK(test::relative_difference(std::as_const(parameter->gradient).as<float>(), slopes) < 1e-5);
  }
}

TEST_CASE("tabular embedding: codes that its tables do not have are refused before they are looked up") {
  Part part = schema_part();
  add_initial_tabular_embedding(part, kWidth, 3);
  const TabularEmbedding embedding(part);
  const auto refused = [&](std::int32_t entry, std::int32_t column) {
    TableRows in;
    in.codes.row<std::int32_t>(1)[0] = entry;
    in.codes.row<std::int32_t>(1)[1] = column;
    try {
      embedding.require(in.rows(), 0);
    } catch (const Error&) {
      return true;
    }
    return false;
  };
  CHECK(!refused(4, 1));
  CHECK(refused(6, 1));
  CHECK(refused(-2, 1));
  CHECK(refused(-1, 1));  // a number in a column of categories
  CHECK(refused(-1, 3));
  CHECK(refused(4, -1));
}

TEST_CASE("tabular embedding: the original's layout has neither columns nor cls; equal seeds give equal parts") {
  Part part = schema_part(true), again = schema_part(true);
  add_initial_tabular_embedding(part, kWidth, 3);
  add_initial_tabular_embedding(again, kWidth, 3);
  CHECK(digest_of(part) == digest_of(again));
  CHECK(!part.has("columns"));
  CHECK(!part.has("weight"));
  CHECK(part.at("entries").rows() == 3);
  TabularEmbedding embedding(part);
  CHECK(embedding.prefix() == 0);
  CHECK(embedding.parameters().size() == 1);
  embedding.store(again);
  CHECK(digest_of(part) == digest_of(again));
}

TEST_CASE("tabular embedding: tables that do not fit their schema are refused") {
  Part part = schema_part();
  add_initial_tabular_embedding(part, kWidth, 3);
  for (const char* name : {"entries", "weight", "columns"}) {
    Part damaged = part;
    damaged.tensors[name] = Tensor(DType::f32, {damaged.at(name).rows() + 1, kWidth});
    CHECK_THROWS_AS(TabularEmbedding{damaged}, Error);
  }
}
