#include "store/join.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "store/hdf5.h"
#include "store/writing.h"
#include "support/temporary_directory.h"

using namespace mt;
using doctest::Contains;

namespace {

constexpr std::size_t kInputs = 50;

Digest part_digest(std::size_t begin, std::size_t step) {
  SetDigest set;
  for (std::size_t i = begin; i < kInputs; i += step) set.add(fmt::format("{}", i), sha256("x"));
  return set.value();
}

// Shard number of count, as programs write it: every count-th input.
std::string write_shard(const test::TemporaryDirectory& dir, const Schema& schema, std::size_t number,
                        std::size_t count) {
  const std::string name = (dir / fmt::format("{} of {}.h5", number, count)).string();
  const auto writer = SampleWriter::create(name, schema, {});
  for (std::size_t i = number; i < kInputs; i += 4 * count) {
    writer->write(test::make_batch(schema, i, std::min(kInputs, i + 4 * count), count));
  }
  writer->finish(part_digest(number, count));
  return name;
}

std::vector<std::string> write_shards(const test::TemporaryDirectory& dir, const Schema& schema, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(write_shard(dir, schema, (i * 5 + 2) % count, count));
  return names;
}

void write_join(SampleReader& joined, const std::filesystem::path& path) {
  const auto writer = SampleWriter::create(path.string(), joined.schema(), {});
  while (const auto batch = joined.next(30, 8)) writer->write(*batch);
  writer->finish(joined.inputs());
}

}  // namespace

TEST_CASE("join: shards in any order give the bytes of the unsharded run") {
  const test::TemporaryDirectory dir;
  for (const Schema& schema : {test::full_schema(), test::features_schema()}) {
    const std::string whole = write_shard(dir, schema, 0, 1);
    for (const std::size_t count : {1, 2, 3, 16, 64}) {
      CAPTURE(count);
      if (count == 1) continue;
      const auto joined = join_shards(write_shards(dir, schema, count));
      CHECK(joined->samples() == 45);
      write_join(*joined, dir / "joined");
      CHECK(test::bytes_of(dir / "joined") == test::bytes_of(whole));
      std::filesystem::remove(dir / "joined");
      for (const std::string& name : test::names_in(dir.path())) {
        if (name != "0 of 1.h5") std::filesystem::remove(dir / name);
      }
    }
    std::filesystem::remove(whole);
  }
}

TEST_CASE("join: missing shards and doubled ones are named") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const std::vector<std::string> all = write_shards(dir, schema, 4);  // shards 2, 3, 0, 1
  CHECK_THROWS_WITH_AS(join_shards({all[0], all[1], all[2]}), Contains("shard 1 of 4 is missing"), Error);
  CHECK_THROWS_WITH_AS(join_shards({all[0]}), Contains("shards 0, 1, 3 of 4 are missing"), Error);
  CHECK_THROWS_WITH_AS(join_shards({all[0], all[1], all[2], all[3], all[1]}), Contains("is in"), Error);
  CHECK(join_shards({all[0], all[1]}, {.allow_missing = true})->samples() == 21);
  // A shard that lacks inputs within.
  const auto writer = SampleWriter::create((dir / "short.h5").string(), schema, {});
  writer->write(test::make_batch(schema, 1, 20, 4));
  writer->write(test::make_batch(schema, 29, kInputs, 4));
  writer->finish({});
  CHECK_THROWS_WITH_AS(join_shards({all[0], all[1], all[2], (dir / "short.h5").string()}),
                       Contains("2 inputs are missing: index 21, 25"), Error);
}

TEST_CASE("join: an input that was retried counts once, as a sample where there is one") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const auto bad = [](std::size_t i) { return fmt::format("bad {}.png", i); };
  const auto write = [&](const char* name, const Batch& batch) {
    SetDigest inputs;
    for (const std::string& id : batch.ids) inputs.add(id, sha256("whole " + id));
    for (const Rejected& one : batch.rejected) inputs.add(one.id, one.content);
    const auto writer = SampleWriter::create((dir / name).string(), schema, {});
    writer->write(batch);
    writer->finish(inputs.value());
    return (dir / name).string();
  };
  // Inputs 3, 13, 23, 33 and 43 are broken; then 3 and 13 are repaired, 23 breaks otherwise; then 23 is repaired.
  Batch first = test::make_batch(schema, 0, kInputs);
  for (Rejected& one : first.rejected) one.content = sha256("broken " + one.id);
  const auto repaired = [&](std::size_t i) {
    Batch one = test::make_sample(schema, i);
    one.ids = {bad(i)};
    return one;
  };
  Batch second = repaired(3);
  second.append(repaired(13));
  second.rejected = {{bad(23), 23, "it is empty", sha256("empty")}, first.rejected[3], first.rejected[4]};
  const Batch third = repaired(23);
  Batch all;
  for (std::size_t i = 0; i < kInputs; ++i) {
    all.append(!test::is_rejected(i) ? test::make_sample(schema, i) : i < 30 ? repaired(i) : Batch());
  }
  all.rejected = {first.rejected[3], first.rejected[4]};
  const std::string a = write("a.h5", first), b = write("b.h5", second), c = write("c.h5", third),
                    whole = write("whole.h5", all);

  write_join(*join_shards({a, b}), dir / "ab.h5");
  CHECK(test::read_all(dir / "ab.h5").rejected[0].reason == "it is empty");
  for (const std::vector<std::string>& shards :
       std::vector<std::vector<std::string>>{{a, b, c}, {c, b, a}, {(dir / "ab.h5").string(), c}}) {
    write_join(*join_shards(shards), dir / "joined.h5");
    CHECK(test::bytes_of(dir / "joined.h5") == test::bytes_of(whole));
    std::filesystem::remove(dir / "joined.h5");
  }
  write_virtual_join({a, b, c}, (dir / "virtual.h5").string(), false);
  const auto virtual_file = SampleReader::open((dir / "virtual.h5").string());
  test::require_equal(test::read_all(*virtual_file), all);
  CHECK(virtual_file->inputs() == SampleReader::open(whole)->inputs());

  CHECK_THROWS_WITH_AS(join_shards({a, c, whole}), Contains("is in"), Error);
  Batch stranger = repaired(23);
  stranger.ids = {"another.png"};
  CHECK_THROWS_WITH_AS(join_shards({a, write("stranger.h5", stranger)}),
                       Contains(("input 23 is \"another.png\", in " + a + " it is \"bad 23.png\"").c_str()), Error);
}

TEST_CASE("join: more rejected inputs than one batch takes stay in their order") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  constexpr std::size_t kMany = 20'000;
  Batch first, second = test::make_sample(schema, 1);
  for (std::size_t i = 0; i <= kMany; ++i) {
    if (i != 1) first.rejected.push_back({fmt::format("bad {}", i), static_cast<std::int64_t>(i), "cut"});
  }
  first.append(test::make_sample(schema, kMany + 1));
  for (const auto& [name, batch] : {std::pair{"a.h5", &first}, {"b.h5", &second}}) {
    const auto writer = SampleWriter::create((dir / name).string(), schema, {});
    writer->write(*batch);
    writer->finish(test::some_digest());
  }
  const Batch all = test::read_all(*join_shards({(dir / "a.h5").string(), (dir / "b.h5").string()}));
  CHECK(all.rejected == first.rejected);
  CHECK(all.index == std::vector<std::int64_t>{1, kMany + 1});
}

TEST_CASE("join: the union does not know its inputs when a shard does not") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const std::string first = write_shard(dir, schema, 0, 2), second = (dir / "foreign.h5").string();
  const auto writer = SampleWriter::create(second, schema, {});
  writer->write(test::make_batch(schema, 1, kInputs, 2));
  writer->finish({});
  CHECK(join_shards({first, second})->inputs() == Digest{});
}

TEST_CASE("join: shards of another run are refused with the setting that differs") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const std::string first = write_shard(dir, schema, 0, 2);
  Schema other = schema;
  other.config["pool"] = "mean";
  const std::string second = write_shard(dir, other, 1, 2);
  CHECK_THROWS_WITH_AS(join_shards({first, second}), Contains("setting pool is \"mean\", not \"cls\""), Error);
}

TEST_CASE("join: labels are mapped by name, and an unknown class is an error") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const std::string first = write_shard(dir, schema, 0, 2);
  Schema other = schema;
  other.label_names = {"fox", "cat", "dog"};
  const std::string second = write_shard(dir, other, 1, 2);
  const Batch joined = test::read_all(*join_shards({first, second}));
  const Batch expected = test::make_batch(schema, 0, kInputs);
  const std::vector<std::int32_t> moved = {-1, 2, 0, 1};  // the second shard's -1, 0, 1, 2 are unknown, fox, cat, dog
  for (std::size_t i = 0; i < joined.samples(); ++i) {
    const bool second_shard = joined.index[i] % 2 == 1;
    CHECK(joined.labels[i] ==
          (second_shard ? moved[static_cast<std::size_t>(expected.labels[i] + 1)] : expected.labels[i]));
  }
  other.label_names = {"cat", "dog", "wolf"};
  std::filesystem::remove(second);
  write_shard(dir, other, 1, 2);
  CHECK_THROWS_WITH_AS(join_shards({first, second}), Contains("wolf"), Error);
}

TEST_CASE("join: a virtual file reads like a copy, and says which source is missing") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const std::vector<std::string> shards = write_shards(dir, schema, 3);
  const std::string name = (dir / "virtual.h5").string();
  write_virtual_join(shards, name, false);
  const auto reader = SampleReader::open(name);
  CHECK(difference(reader->schema(), schema) == "");
  CHECK(reader->inputs() == part_digest(0, 1));
  test::require_equal(test::read_all(*reader), test::make_batch(schema, 0, kInputs));
  test::require_equal(reader->read(7, 19), test::make_batch(schema, 0, kInputs).slice(7, 19));
  CHECK(std::filesystem::file_size(name) < 20'000);
  CHECK_THROWS_WITH_AS(write_virtual_join(shards, name, false), Contains("--force replaces it"), Error);
  // The same bytes again, and moved as a whole.
  const std::string before = test::bytes_of(name);
  write_virtual_join(shards, name, true);
  CHECK(test::bytes_of(name) == before);
  std::filesystem::rename(shards[1], dir / "elsewhere");
  CHECK_THROWS_WITH_AS(SampleReader::open(name), Contains("of 3.h5 is missing"), Error);
  Schema narrow = schema;
  narrow.width = 8;
  write_shard(dir, narrow, 1, 3);
  CHECK_THROWS_WITH_AS(SampleReader::open(name), Contains("is no file of features [N, 16]"), Error);
}

TEST_CASE("join: a virtual file's sources lie in its directory or below") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const std::vector<std::string> shards = write_shards(dir, schema, 2);
  std::filesystem::create_directory(dir / "below");
  CHECK_THROWS_WITH_AS(write_virtual_join(shards, (dir / "below/virtual.h5").string(), false), Contains("lies outside"),
                       Error);
  CHECK_THROWS_WITH_AS(
      write_virtual_join({write_shard(dir, test::tokens_schema(), 0, 1)}, (dir / "v.h5").string(), false),
      Contains("only pooled features"), Error);
}
