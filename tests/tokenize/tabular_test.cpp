#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "support/temporary_directory.h"
#include "tokenize/tabular/number_scale.h"
#include "tokenize/tabular/table_fit.h"
#include "tokenize/tabular/tabular_samples.h"

using namespace mt;

namespace {

using Names = std::vector<std::string>;

const nlohmann::json& golden() {
  static const nlohmann::json read =
      parse_json(read_text_file(std::string(MT_TESTS_DIR) + "/golden/tabular.json", 1 << 20), "tabular.json");
  return read;
}

struct Fixture {
  test::TemporaryDirectory directory;
  TableOptions options;
  TableFitting fitting;

  TableSource open(const std::string& text, const std::string& name = "a.csv") {
    std::ofstream(directory / name, std::ios::binary) << text;
    options.inputs = {(directory / name).string()};
    return TableSource(options);
  }
};

std::string failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// The column against what pandas and scikit-learn made of it.
void check_column(const TableSource& source, const TableSchema& schema, std::size_t c, const nlohmann::json& expected) {
  CAPTURE(schema.columns()[c].name);
  REQUIRE(schema.columns()[c].name == expected["name"].get<std::string>());
  REQUIRE(schema.columns()[c].numeric == expected["numeric"].get<bool>());
  if (!schema.columns()[c].numeric) CHECK(schema.columns()[c].categories == expected["categories"].get<Names>());
  const char* scale = schema.scale() == NumberScale::standard ? "standard" : "quantile";
  TableRow row;
  for (std::size_t i = 0; i < source.size(); ++i) {
    source.read(i, row);
    const bool missing = expected["missing"][i] == 1;
    CHECK(schema.is_missing(row[c]) == missing);
    const TableSchema::Cell cell = schema.cell(c, row[c]);
    if (missing || !schema.columns()[c].numeric) {
      CHECK(cell.entry >= 0);
    } else {
      CHECK(cell.entry == -1);
      const double value = expected[scale][i].get<double>();
      // float32 holds seven digits
      CHECK(std::abs(cell.number - value) <= 2e-7 * std::max(1.0, std::abs(value)));
    }
  }
}

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "tabular: kinds, missing values, categories and scaled numbers are pandas' and scikit-learn's") {
  for (const NumberScale scale : {NumberScale::standard, NumberScale::quantile}) {
    for (const auto& table : golden()["tables"]) {
      CAPTURE(table["name"].get<std::string>());
      const TableSource source = open(table["text"].get<std::string>());
      REQUIRE(source.size() == table["rows"].get<std::size_t>());
      fitting.scale = scale;
      fitting.quantiles = golden()["quantiles"].get<std::size_t>();
      const TableSchema schema = fit_table(source, fitting).schema;
      REQUIRE(schema.columns().size() == table["columns"].size());
      for (std::size_t c = 0; c < schema.columns().size(); ++c) check_column(source, schema, c, table["columns"][c]);
    }
  }
}

TEST_CASE("tabular: the normal quantile is SciPy's, tails included") {
  for (const auto& pair : golden()["normal_quantile"]) {
    const double expected = pair[1].get<double>();
    CHECK(std::abs(normal_quantile(pair[0].get<double>()) - expected) <= 4e-15 * std::max(1.0, std::abs(expected)));
  }
}

TEST_CASE("tabular: more numbers than a sample keeps still give their quantiles") {
  QuantileSample sample;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) sample.add(static_cast<double>(i % 1000), i);
  const std::vector<double> quantiles = sample.quantiles(11);
  // 125,000 to 200,000 numbers are kept: a standard error of 1.4 of 1000
  for (std::size_t i = 0; i < 11; ++i) CHECK(std::abs(quantiles[i] - 99.9 * static_cast<double>(i)) < 6);
}

TEST_CASE_FIXTURE(Fixture, "tabular: overridden kinds, rare and unknown categories, missing words") {
  const TableSource train = open("n,code,word,empty,y\n1,10,a,,0\n2,20,b,,1\n?,10,a,,0\n4,x,c,,1\n");
  fitting.numeric = {0};
  fitting.categorical = {1};
  fitting.dropped = {4};
  fitting.missing.emplace_back("?");
  fitting.min_count = 2;
  const FittedTable fitted = fit_table(train, fitting);
  REQUIRE(fitted.schema.columns().size() == 3);
  CHECK(fitted.summary[0] == "n: numeric, mean 2.3333, deviation 1.2472, 1 missing");
  CHECK(fitted.summary[1] == "code: 1 categories (2 rarer ones unknown)");
  CHECK(fitted.summary[3] == "empty: left out, 4 missing");
  // entries: n missing 0; code unknown 1, missing 2, "10" 3; word unknown 4, missing 5, "a" 6
  CHECK(fitted.schema.entries() == 7);
  CHECK(fitted.schema.cell(0, "?").entry == 0);
  CHECK(fitted.schema.cell(1, "10").entry == 3);
  CHECK(fitted.schema.cell(1, "20").entry == 1);
  CHECK(fitted.schema.cell(2, "").entry == 5);
  CHECK(fitted.schema.cell(2, "zebra").entry == 4);
  CHECK(failure_of([&] { (void)fitted.schema.cell(0, "many"); }).find("column \"n\": \"many\" is no number") !=
        std::string::npos);
  CHECK(failure_of([&] { (void)fitted.schema.cell(0, "inf"); }).find("is no finite number") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "tabular: bypassing numbers has one entry for all that is unknown, as the original") {
  const TableSource train = open("n,a,b\n1,x,p\n2,y,q\n");
  fitting.bypass_numeric = true;
  const TableSchema schema = fit_table(train, fitting).schema;
  CHECK(schema.entries() == 5);
  CHECK(schema.token_columns() == std::vector<std::size_t>{1, 2});
  CHECK(schema.cell(1, "y").entry == 2);
  CHECK(schema.cell(2, "p").entry == 3);
  CHECK(schema.cell(2, "new").entry == 0);
  CHECK(schema.cell(1, "").entry == 0);
  fitting.dropped = {1, 2};
  CHECK(failure_of([&] { fit_table(train, fitting); }).find("none of 1 columns makes a token") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture,
                  "tabular: numbers that are bypassed are the sample's numbers, scaled, 0 where one is missing") {
  fitting.bypass_numeric = true;
  const TableSchema schema = fit_table(open("n,w,m\n1,a,5\n3,b,5\n"), fitting).schema;
  const TableSource source = open("m,w,n\n6,b,3\n,a,1\n5,a,many\n", "b.csv");
  const TabularSamples samples(source, schema, {});
  CHECK(samples.schema().number_names == Names{"n", "m"});
  CHECK(samples.schema().number_width == 2);
  Batch batch = samples.empty_batch();
  samples.make(0, batch);
  samples.make(1, batch);
  CHECK(batch.rows.shape() == Shape{2, 1});
  REQUIRE(batch.numbers.shape() == Shape{2, 2});
  const auto numbers = batch.numbers.as<float>();
  CHECK(std::vector<float>(numbers.begin(), numbers.end()) == std::vector<float>{1, 1, -1, 0});
  CHECK(failure_of([&] { samples.make(2, batch); }).find("column \"n\": \"many\" is no number") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "tabular: a schema comes back from its part; a damaged part is refused") {
  for (const NumberScale scale : {NumberScale::standard, NumberScale::quantile}) {
    fitting.scale = scale;
    fitting.quantiles = 3;
    const TableSchema schema = fit_table(open("n,w,m\n1,\"a\n%41\",5\n2,b,6\n4,c,9\n"), fitting).schema;
    Part part;
    schema.store(part);
    const TableSchema again(part);
    Part stored;
    again.store(stored);
    CHECK(digest_of(stored) == digest_of(part));
    CHECK(again.columns()[1].categories == Names{"a\n%41", "b", "c"});
    CHECK(again.cell(2, "6").number == schema.cell(2, "6").number);

    const auto refused = [&](const std::function<void(Part&)>& damage) {
      Part damaged = part;
      damage(damaged);
      return failure_of([&] { TableSchema{damaged}; }).starts_with("tokenizer/tabular: ");
    };
    CHECK(refused([](Part& p) { p.config.erase("columns"); }));
    CHECK(refused([](Part& p) { p.config["columns"] = nlohmann::json::array(); }));
    CHECK(refused([](Part& p) { p.config["columns"][1]["categories"] = 4; }));
    CHECK(refused([](Part& p) { p.config["columns"][1]["categories"] = 2; }));
    CHECK(refused([](Part& p) { p.config["columns"][0]["kind"] = "colour"; }));
    CHECK(refused([](Part& p) { p.config["columns"][0] = 7; }));
    CHECK(refused([](Part& p) { p.config["scale"] = "huge"; }));
    CHECK(refused([](Part& p) { p.config["missing"] = {1}; }));
    const char* numbers = scale == NumberScale::standard ? "deviation" : "quantiles";
    CHECK(refused([&](Part& p) { p.tensors[numbers].as<double>()[0] = std::nan(""); }));
    CHECK(refused([&](Part& p) { p.tensors[numbers] = Tensor(DType::f64, {3}); }));
    if (scale == NumberScale::standard) CHECK(refused([](Part& p) { p.tensors["deviation"].as<double>()[0] = 0; }));
    if (scale == NumberScale::quantile) CHECK(refused([](Part& p) { p.tensors["quantiles"].as<double>()[0] = 99; }));
  }
}

TEST_CASE_FIXTURE(Fixture, "tabular: rows become patches and codes; columns are found by name, whatever their order") {
  const TableSchema schema = fit_table(open("n,w\n1,a\n3,b\n"), fitting).schema;
  const TableSource source = open("id,w,price,n,class\nr1,b,9.5,3,yes\nr2,,x,2,no\nr3,c,1,inf,no\nr4,a\n", "b.csv");
  TableRoles roles;
  roles.id = 0;
  roles.label = 4;
  roles.targets = {2};
  const TabularSamples samples(source, schema, roles);
  CHECK(samples.schema().label_names == Names{"no", "yes"});
  CHECK(samples.schema().target_names == Names{"price"});
  CHECK(samples.unused().empty());
  CHECK(samples.id(1) == "r2");
  CHECK(samples.id(3) == "b.csv#3");
  CHECK(samples.label(0) == 1);
  CHECK(samples.label(3) == -1);
  Batch batch = samples.empty_batch();
  CHECK(samples.make(0, batch) == samples.digest(0));
  CHECK(batch.rows.shape() == Shape{2, 1});
  CHECK(batch.rows.as<float>()[0] == 1.0F);
  CHECK(batch.rows.as<float>()[1] == 0.0F);
  const auto codes = std::as_const(batch.codes).as<std::int32_t>();
  CHECK(std::vector<std::int32_t>(codes.begin(), codes.end()) == std::vector<std::int32_t>{-1, 0, 4, 1});
  CHECK(batch.targets.as<float>()[0] == 9.5F);
  CHECK(failure_of([&] { samples.make(1, batch); }).find("target \"price\": \"x\" is no finite number") !=
        std::string::npos);
  CHECK(failure_of([&] { samples.make(2, batch); }).find("\"inf\" is no finite number") != std::string::npos);
  CHECK(failure_of([&] { samples.make(3, batch); }).find("has 2 fields, there are 5 columns") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "tabular: a column that is not there and ids that are not unique are refused") {
  const TableSchema schema = fit_table(open("price,w\n1,a\n3,b\n"), fitting).schema;
  const TableSource other = open("prise,w\n1,a\n2,a\n", "b.csv");
  CHECK(failure_of([&] { TabularSamples(other, schema, {}); }).find("is it \"prise\"?") != std::string::npos);
  const TableSource same = open("price,w\n1,a\n2,a\n", "c.csv");
  TableRoles roles;
  roles.id = 1;
  CHECK(failure_of([&] { TabularSamples(same, schema, roles); }).find("two rows have the same id") !=
        std::string::npos);
  CHECK(failure_of([&] { fit_table(open("a,b\n1\n", "d.csv"), fitting); }).find("holds no row that can be read") !=
        std::string::npos);
}
