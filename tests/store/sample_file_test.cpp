// The contract: what is written is read again, in any cut, with the same bytes.
#include <unistd.h>

#include <doctest/doctest.h>

#include "base/error.h"
#include "store/hdf5.h"
#include "store/sample_reader.h"
#include "store/sample_writer.h"
#include "store/writing.h"
#include "support/temporary_directory.h"

using namespace mt;
using doctest::Contains;

namespace {

void require_same_schema(const Schema& found, const Schema& expected) {
  CHECK(difference(found, expected) == "");
  CHECK(found.creator == expected.creator);
}

}  // namespace

TEST_CASE("sample file: every column of a file with all columns comes back") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::full_schema();
  test::write_samples(dir / "a.h5", schema, 100, 7);
  const auto reader = SampleReader::open((dir / "a.h5").string());
  require_same_schema(reader->schema(), schema);
  CHECK(reader->samples() == 90);
  CHECK(reader->inputs() == test::some_digest());
  CHECK(reader->seekable());
  const Batch expected = test::make_batch(schema, 0, 100);
  CHECK(reader->labels() == expected.labels);
  CHECK(reader->offsets(3, 9) ==
        std::vector<std::int64_t>(expected.offsets.begin() + 3, expected.offsets.begin() + 10));
  test::require_equal(reader->read(17, 42), expected.slice(17, 42));
  test::require_equal(test::read_all(*reader, 13, 5), expected);
  CHECK(test::names_in(dir.path()) == std::vector<std::string>{"a.h5"});
}

TEST_CASE("sample file: tokens in half precision, pooled features and predictions come back") {
  const test::TemporaryDirectory dir;
  Schema half = test::tokens_schema();
  half.dtype = DType::f16;
  Schema predictions = test::features_schema(3);
  predictions.kind = Kind::predictions;
  Schema bytes = test::full_schema();
  bytes.dtype = DType::u8;
  for (const Schema& schema : {half, test::features_schema(), predictions, bytes}) {
    const auto path = dir / (std::string(schema.rows_name()) + "-" + std::string(name_of(schema.dtype)));
    test::write_samples(path, schema, 33, 4);
    const auto reader = SampleReader::open(path.string());
    require_same_schema(reader->schema(), schema);
    test::require_equal(test::read_all(*reader), test::make_batch(schema, 0, 33));
  }
}

TEST_CASE("sample file: how batches were cut, and when, does not show in the bytes") {
  const test::TemporaryDirectory dir;
  Schema schema = test::full_schema();
  schema.width = 3000;  // 12 kB a row: several chunks
  test::write_samples(dir / "a.h5", schema, 200, 200);
  const std::string expected = test::bytes_of(dir / "a.h5");
  CHECK(expected.size() > 3'000'000);
  ::usleep(1'100'000);  // across a second boundary: times would show
  for (const std::size_t cut : {1, 3, 4, 57}) {
    CAPTURE(cut);
    test::write_samples(dir / "b.h5", schema, 200, cut);
    CHECK(test::bytes_of(dir / "b.h5") == expected);
    std::filesystem::remove(dir / "b.h5");
  }
}

TEST_CASE("sample file: chunks are of 256 KiB to 1 MiB with checksums, compressed only when asked") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema(768);
  for (const int compression : {0, 1}) {
    WriteOptions options;
    options.compression = compression;
    test::write_samples(dir / "a.h5", schema, 1000, 100, options);
    const h5::File file = h5::open_file(dir / "a.h5");
    const h5::Opened features = h5::open_dataset(file.get(), "features", "a.h5");
    CHECK(features.declared.chunk_bytes >= 256 << 10);
    CHECK(features.declared.chunk_bytes <= 1 << 20);
    for (const char* name : {"ids", "index", "labels", "features", "label_names", "rejected"}) {
      const std::string filters = h5::filters_of(h5::open_dataset(file.get(), name, "a.h5").dataset.get());
      const bool compressed = compression > 0 && std::string_view(name) != "label_names";
      CHECK(filters == (compressed ? "shuffle, deflate, fletcher32" : "fletcher32"));
    }
    test::require_equal(test::read_all(dir / "a.h5"), test::make_batch(schema, 0, 1000));
    std::filesystem::remove(dir / "a.h5");
  }
}

TEST_CASE("sample file: a file of no samples is whole, and says what was rejected") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::full_schema();
  const auto writer = SampleWriter::create((dir / "a.h5").string(), schema, {});
  Batch nothing;
  nothing.rejected = {{"bad.png", 3, std::string(2000, 'x')}};
  writer->write(nothing);
  writer->finish({});
  const auto reader = SampleReader::open((dir / "a.h5").string());
  CHECK(reader->samples() == 0);
  require_same_schema(reader->schema(), schema);
  const auto batch = reader->next(100, 100);
  REQUIRE(batch.has_value());
  CHECK(batch->samples() == 0);
  CHECK(batch->rejected.at(0).id == "bad.png");
  CHECK(batch->rejected.at(0).reason.size() == 512);
  CHECK_FALSE(reader->next(100, 100).has_value());
}

TEST_CASE("sample file: rejected inputs come where they stood, and a hundred thousand of them in bounded portions") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const auto writer = SampleWriter::create((dir / "a.h5").string(), schema, {});
  Batch batch = test::make_batch(schema, 0, 2);
  batch.append(test::make_sample(schema, 150'000));
  for (std::int64_t i = 2; i < 100'002; ++i) batch.rejected.push_back({fmt::format("bad {}", i), i, "cut"});
  writer->write(batch);
  writer->finish({});
  const auto reader = SampleReader::open((dir / "a.h5").string());
  std::vector<Rejected> rejected;
  std::size_t largest = 0;
  while (const auto part = reader->next(1, 1)) {
    const bool behind = part->samples() > 0 && part->index[0] == 150'000;
    rejected.insert(rejected.end(), part->rejected.begin(), part->rejected.end());
    largest = std::max(largest, part->rejected.size());
    if (behind) CHECK(rejected == batch.rejected);
  }
  CHECK(rejected == batch.rejected);
  CHECK(largest <= 1 << 14);
}

TEST_CASE("sample file: batches are cut by rows and by samples, never to nothing") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::tokens_schema();
  test::write_samples(dir / "a.h5", schema, 50, 50);
  for (const std::size_t max_rows : {1, 2, 7, 1000}) {
    for (const std::size_t max_samples : {1, 4, 1000}) {
      const auto reader = SampleReader::open((dir / "a.h5").string());
      Batch all;
      while (const auto batch = reader->next(max_rows, max_samples)) {
        CHECK(batch->samples() >= 1);
        CHECK(batch->samples() <= max_samples);
        CHECK((batch->samples() == 1 || batch->row_count() <= max_rows));
        all.append(*batch);
      }
      test::require_equal(all, test::make_batch(schema, 0, 50));
    }
  }
}

TEST_CASE("sample writer: what is not of its schema is a bug, what cannot be stored an error") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::tokens_schema();
  const auto writer = SampleWriter::create((dir / "a.h5").string(), schema, {});
  const auto refused = [&](auto change) {
    Batch batch = test::make_batch(schema, 0, 2);
    change(batch);
    CHECK_THROWS_AS(writer->write(batch), std::logic_error);
  };
  refused([](Batch& batch) { batch.rows = Tensor(DType::f32, {1, 16}); });
  refused([](Batch& batch) { batch.rows = batch.rows.to(DType::f16); });
  refused([](Batch& batch) { batch.index.pop_back(); });
  refused([](Batch& batch) { batch.labels = {0, 0}; });
  refused([](Batch& batch) { batch.offsets = {0, 2, 1}; });
  refused([](Batch& batch) { batch.grid = Tensor(DType::i32, {2, 3}); });
  for (const std::string& id : {std::string(5000, 'x'), std::string("a\0b", 3), std::string("\xff")}) {
    Batch batch = test::make_batch(schema, 0, 1);
    batch.ids = {id};
    CHECK_THROWS_AS(writer->write(batch), Error);
  }
}
