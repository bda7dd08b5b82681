// Files by others: tests/golden/foreign, made with h5py by tests/reference/make_foreign_files.py.
#include <filesystem>

#include <doctest/doctest.h>

#include "base/error.h"
#include "store/sample_reader.h"
#include "store/writing.h"

using namespace mt;

namespace {

std::string golden(const char* name) {
  return (std::filesystem::path(MT_TESTS_DIR) / "golden/foreign" / name).string();
}

std::vector<float> values(const Tensor& tensor) {
  const Tensor floats = tensor.to(DType::f32);
  return {floats.as<float>().begin(), floats.as<float>().end()};
}

}  // namespace

TEST_CASE("foreign: h5py's tokens with nothing but the required names are read") {
  const auto reader = SampleReader::open(golden("minimal_tokens.h5"));
  CHECK(reader->schema().kind == Kind::tokens);
  CHECK(reader->schema().dtype == DType::f32);  // from float64
  CHECK(reader->schema().prefix == 0);
  CHECK(reader->schema().positions);
  CHECK(reader->inputs() == Digest{});
  const Batch batch = test::read_all(*reader);
  CHECK(batch.ids == std::vector<std::string>{"a", "größer", "c"});
  CHECK(batch.index == std::vector<std::int64_t>{0, 1, 2});
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 2, 2, 6});
  CHECK(values(batch.rows).at(23) == 5.75F);
}

TEST_CASE("foreign: h5py's compressed half-precision features with unusual integers are read") {
  const auto reader = SampleReader::open(golden("compressed_features.h5"));
  CHECK(reader->schema().modality == "audio");
  CHECK(reader->schema().dtype == DType::f16);
  CHECK(reader->schema().target_width == 1);
  CHECK_FALSE(reader->schema().ragged);
  const Batch batch = test::read_all(*reader);
  CHECK(batch.ids.at(2) == "three");
  CHECK(batch.labels == std::vector<std::int32_t>{0, 1, 2, 1, 0});
  CHECK(reader->schema().label_names.at(2) == "fox");
  CHECK(batch.targets.shape() == Shape{5, 1});
  CHECK(values(batch.targets) == std::vector<float>{1, 0, 0, 1, 1});
  CHECK(values(batch.rows).at(19) == 19);
  CHECK(batch.rejected == std::vector<Rejected>{{"bad", 5, "it is cut"}, {"worse", 6, "größer"}});
}

TEST_CASE("foreign: numbers of a big-endian machine are read") {
  const auto reader = SampleReader::open(golden("big_endian.h5"));
  CHECK(reader->schema().prefix == 1);
  CHECK_FALSE(reader->schema().positions);
  CHECK(reader->schema().pre_norm);
  const Batch batch = test::read_all(*reader);
  CHECK(values(batch.rows).at(11) == 11);
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 1, 3});
  CHECK(batch.index == std::vector<std::int64_t>{4, 9});
  CHECK(batch.codes.row<std::int32_t>(0)[1] == -2);
}
