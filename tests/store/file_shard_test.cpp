#include "store/file_shard.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "store/join.h"
#include "store/writing.h"
#include "support/temporary_directory.h"

using namespace mt;
using doctest::Contains;

namespace {

constexpr std::size_t kInputs = 50;

void copy(SampleReader& reader, const std::string& to, std::size_t max_rows = 7, std::size_t max_samples = 5) {
  const auto writer = SampleWriter::create(to, reader.schema(), {});
  while (const auto batch = reader.next(max_rows, max_samples)) {
    CHECK(batch->samples() <= max_samples);
    CHECK((batch->samples() == 1 || batch->row_count() <= max_rows));
    writer->write(*batch);
  }
  writer->finish(reader.inputs());
}

// Samples of `bytes` each, numbered from 0.
void write_wide(const std::string& name, std::size_t samples, std::size_t bytes) {
  const Schema schema = test::features_schema(bytes / sizeof(float));
  const auto writer = SampleWriter::create(name, schema, {});
  for (std::size_t i = 0; i < samples; ++i) writer->write(test::make_batch(schema, i, i + 1));
  writer->finish(test::some_digest());
}

}  // namespace

TEST_CASE("file shard: every N-th input, rejected ones too, in the batches that were asked for") {
  const test::TemporaryDirectory dir;
  const std::string file = (dir / "whole.h5").string();
  for (const Schema& schema : {test::full_schema(), test::features_schema()}) {
    test::write_samples(file, schema, kInputs, 8);
    for (const std::size_t shards : {2, 3, 7, 64}) {
      for (const std::size_t shard : {std::size_t{0}, std::size_t{1}, shards - 1}) {
        const auto reader = SampleReader::open_shard(file, shard, shards);
        const Batch expected = test::make_batch(schema, shard, kInputs, shards);
        CHECK(reader->name() == file);
        CHECK(reader->samples() == static_cast<std::int64_t>(expected.samples()));
        CHECK(reader->rows() == static_cast<std::int64_t>(expected.row_count()));
        for (const std::size_t rows : {1, 3, 1000}) {
          const Batch found = test::read_all(*SampleReader::open_shard(file, shard, shards), rows, 4);
          if (expected.samples() > 0) test::require_equal(found, expected);
          CHECK(found.rejected == expected.rejected);
        }
      }
    }
    std::filesystem::remove(file);
  }
}

TEST_CASE("file shard: what was made of all shards joins to the bytes of what was made of the file") {
  const test::TemporaryDirectory dir;
  for (const Schema& schema : {test::full_schema(), test::features_schema()}) {
    const std::string file = (dir / "whole.h5").string(), joined = (dir / "joined.h5").string();
    test::write_samples(file, schema, kInputs, 8);
    for (const std::size_t shards : {1, 2, 5}) {
      std::vector<std::string> parts;
      for (std::size_t i = 0; i < shards; ++i) {
        parts.push_back((dir / fmt::format("part{}.h5", i)).string());
        copy(*SampleReader::open_shard(file, i, shards), parts.back());
      }
      copy(*join_shards(parts), joined, 1000, 100);
      CHECK(test::bytes_of(joined) == test::bytes_of(file));
      std::filesystem::remove(joined);
      if (shards > 1) {
        // Parts are told from each other, from the whole and from those of another number of shards.
        CHECK(SampleReader::open(parts[0])->inputs() != SampleReader::open(parts[1])->inputs());
        CHECK(SampleReader::open(parts[0])->inputs() != SampleReader::open(file)->inputs());
        CHECK(SampleReader::open(parts[0])->inputs() != SampleReader::open_shard(file, 0, 3)->inputs());
        const std::vector<std::string> fewer(parts.begin(), parts.end() - 1);
        CHECK_THROWS_WITH_AS(join_shards(fewer), Contains(shards == 2 ? "missing" : "shard 4 of 5 is missing"), Error);
      }
      for (const std::string& part : parts) std::filesystem::remove(part);
    }
    std::filesystem::remove(file);
  }
}

TEST_CASE("file shard: samples far from each other are read one by one, near ones together") {
  const test::TemporaryDirectory dir;
  const std::string file = (dir / "wide.h5").string();
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{16} << 10, std::size_t{48} << 10}) {
    write_wide(file, 24, bytes);
    const Schema schema = SampleReader::open(file)->schema();
    test::require_equal(test::read_all(*SampleReader::open_shard(file, 1, 3)), test::make_batch(schema, 1, 24, 3));
    std::filesystem::remove(file);
  }
}

TEST_CASE("file shard: a file that knows nothing of its inputs has shards that know nothing") {
  const test::TemporaryDirectory dir;
  const std::string file = (dir / "unknown.h5").string();
  const auto writer = SampleWriter::create(file, test::features_schema(), {});
  test::write_inputs(*writer, test::features_schema(), 0, 9, 4);
  writer->finish({});
  CHECK(SampleReader::open_shard(file, 0, 2)->inputs() == Digest{});
}

TEST_CASE("file shard: indexes that do not ascend, and streams, are refused") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const std::string twice = (dir / "twice.h5").string();
  const auto writer = SampleWriter::create(twice, schema, {});
  writer->write(test::make_batch(schema, 5, 9));
  writer->write(test::make_batch(schema, 0, 2));
  writer->finish({});
  CHECK_THROWS_WITH_AS(SampleReader::open_shard(twice, 0, 2), Contains("does not ascend: 0 follows 8"), Error);

  const std::string whole = (dir / "whole.h5").string();
  test::write_samples(whole, schema, 9, 4);
  CHECK(SampleReader::open_shard(whole, 0, 1)->seekable());
}
