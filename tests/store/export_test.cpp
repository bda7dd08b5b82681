#include "store/export.h"

#include <map>

#include <doctest/doctest.h>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/files.h"
#include "store/npy.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

Schema feature_schema() {
  Schema schema;
  schema.kind = Kind::features;
  schema.ragged = false;
  schema.width = 2;
  schema.has_labels = true;
  schema.label_names = {"cat", "=dog"};
  schema.config = {{"pool", "cls"}};
  return schema;
}

Batch feature_batch(std::int64_t first) {
  Batch batch;
  batch.ids = {"a,b.png", "id" + std::to_string(first + 1)};
  batch.index = {first, first + 1};
  batch.labels = {1, -1};
  batch.rows = Tensor::of<float>({2, 2}, {0.1F, -1, 2, 3});
  return batch;
}

Schema token_schema() {
  Schema schema;
  schema.kind = Kind::tokens;
  schema.width = 1;
  schema.code_width = 2;
  schema.has_centers = schema.has_token_labels = schema.has_grid = schema.has_boxes = true;
  schema.target_width = 1;
  schema.target_names = {"age"};
  return schema;
}

Batch token_batch() {
  Batch batch;
  batch.ids = {"x", "y"};
  batch.index = {0, 5};
  batch.targets = Tensor::of<float>({2, 1}, {7, 8});
  batch.offsets = {0, 2, 3};
  batch.rows = Tensor::of<float>({3, 1}, {1, 2, 3});
  batch.codes = Tensor::of<std::int32_t>({3, 2}, {1, 2, 3, 4, 5, 6});
  batch.centers = Tensor::of<float>({3, 3}, {0, 0, 1, 0, 0, 2, 0, 0, 3});
  batch.token_labels = {4, 5, 6};
  batch.grid = Tensor::of<std::int32_t>({2, 3}, {1, 1, 2, 1, 1, 1});
  batch.boxes = Tensor::of<float>({1, 5}, {1, 2, 3, 4, 0});
  batch.box_offsets = {0, 1, 1};
  return batch;
}

// The stored members, found by walking the local headers.
std::map<std::string, std::vector<std::byte>> arrays_of(const std::filesystem::path& path) {
  const std::vector<std::byte> file = read_file(path, 1 << 26);
  ByteReader reader(file, "npz");
  std::map<std::string, std::vector<std::byte>> arrays;
  while (reader.take<std::uint32_t>() == 0x04034B50) {
    reader.skip(22);
    const auto name_length = reader.take<std::uint16_t>();
    reader.skip(2);
    std::string name(reader.take_text(name_length));
    reader.skip(4);
    const auto size = reader.take<std::uint64_t>();
    reader.skip(8);
    const auto bytes = reader.take_bytes(size);
    arrays[name.substr(0, name.size() - 4)].assign(bytes.begin(), bytes.end());
  }
  return arrays;
}

}  // namespace

TEST_CASE("csv export: a header, then a line for each sample, with names for labels") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "f.csv").string();
  const auto exporter = make_csv_exporter(path, feature_schema(), false);
  exporter->write(feature_batch(0));
  CHECK_FALSE(std::filesystem::exists(path));
  exporter->finish();
  CHECK(read_text_file(path, 1000) ==
        "id,index,label,feature0,feature1\r\n\"a,b.png\",0,'=dog,0.1,-1\r\nid1,1,,2,3\r\n");
  CHECK_THROWS_WITH_AS(make_csv_exporter(path, feature_schema(), false), doctest::Contains("exists already"), Error);
}

TEST_CASE("csv export: samples of several rows have a line for each") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "t.csv").string();
  const auto exporter = make_csv_exporter(path, token_schema(), false);
  exporter->write(token_batch());
  exporter->finish();
  CHECK(read_text_file(path, 1000) ==
        "id,index,age,row,code0,code1,center0,center1,center2,token_label,token0\r\n"
        "x,0,7,0,1,2,0,0,1,4,1\r\nx,0,7,1,3,4,0,0,2,5,2\r\ny,5,8,0,5,6,0,0,3,6,3\r\n");
}

TEST_CASE("csv export: predictions name their columns after the classes") {
  Schema schema = feature_schema();
  schema.kind = Kind::predictions;
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "p.csv").string();
  const auto exporter = make_csv_exporter(path, schema, false);
  exporter->finish();
  CHECK(read_text_file(path, 1000) == "id,index,label,cat,'=dog\r\n");
}

TEST_CASE("npz export: batches become one array each, offsets go on") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "t.npz").string();
  const auto exporter = make_npz_exporter(path, token_schema(), false);
  exporter->write(token_batch());
  exporter->write(token_batch());
  exporter->finish();
  auto arrays = arrays_of(path);
  CHECK(read_npy(arrays["tokens"], "").shape() == Shape{6, 1});
  const auto check_integers = [&](const char* name, const std::vector<std::int64_t>& expected) {
    CAPTURE(name);
    const Tensor tensor = read_npy(arrays[name], name);
    const Tensor wide = tensor.dtype() == DType::i64 ? tensor : tensor.to(DType::f64);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (wide.dtype() == DType::i64)
        CHECK(wide.as<std::int64_t>()[i] == expected[i]);
      else
        CHECK(wide.as<double>()[i] == static_cast<double>(expected[i]));
    }
    CHECK(tensor.size() == expected.size());
  };
  check_integers("offsets", {0, 2, 3, 5, 6});
  check_integers("box_offsets", {0, 1, 1, 2, 2});
  check_integers("index", {0, 5, 0, 5});
  check_integers("token_labels", {4, 5, 6, 4, 5, 6});
  CHECK(read_npy(arrays["codes"], "").shape() == Shape{6, 2});
  CHECK(read_npy(arrays["centers"], "").shape() == Shape{6, 3});
  CHECK(read_npy(arrays["grid"], "").shape() == Shape{4, 3});
  CHECK(read_npy(arrays["boxes"], "").shape() == Shape{2, 5});
  CHECK(read_npy_text(arrays["ids"], "") == std::vector<std::string>{"x", "y", "x", "y"});
  CHECK(read_npy_text(arrays["target_names"], "") == std::vector<std::string>{"age"});
  CHECK(arrays.count("labels") == 0);
}

TEST_CASE("npz export: ids of any length survive, in blocks too") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "f.npz").string();
  const auto exporter = make_npz_exporter(path, feature_schema(), false);
  std::vector<std::string> expected;
  for (std::int64_t i = 0; i < 3000; ++i) {
    Batch batch = feature_batch(2 * i);
    batch.ids[0] = std::string(static_cast<std::size_t>(i % 700), 'x') + "\u20ac";  // about 1.1 MB in all: two blocks
    expected.insert(expected.end(), batch.ids.begin(), batch.ids.end());
    exporter->write(batch);
  }
  exporter->finish();
  auto arrays = arrays_of(path);
  CHECK(read_npy_text(arrays["ids"], "") == expected);
  CHECK(read_npy(arrays["labels"], "").as<std::int32_t>()[5999] == -1);
}

TEST_CASE("npz export: standard output is refused, and nothing is left when it does not finish") {
  CHECK_THROWS_WITH_AS(make_npz_exporter("-", feature_schema(), false), doctest::Contains(".npz needs a file"),
                       UsageError);
  const test::TemporaryDirectory directory;
  {
    const auto exporter = make_npz_exporter((directory / "f.npz").string(), feature_schema(), false);
    exporter->write(feature_batch(0));
  }
  CHECK(std::filesystem::is_empty(directory.path()));
}
