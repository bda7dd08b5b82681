#include "store/fuse.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "store/writing.h"
#include "support/temporary_directory.h"

using namespace mt;
using doctest::Contains;

namespace {

Schema schema_of(const std::string& modality, std::size_t prefix) {
  Schema schema = test::tokens_schema(4);
  schema.modality = modality;
  schema.prefix = prefix;
  return schema;
}

struct Sample {
  std::string id;
  std::size_t rows;
  std::int32_t label = -1;
};

// Row t of sample s holds 100 * first + 10 * s + t, four times.
std::string write(const test::TemporaryDirectory& dir, const std::string& name, const Schema& schema, float first,
                  const std::vector<Sample>& samples, const std::vector<Rejected>& rejected = {}) {
  Batch batch;
  batch.rows = Tensor(schema.dtype, {0, schema.width});
  batch.offsets = {0};
  for (std::size_t s = 0; s < samples.size(); ++s) {
    batch.ids.push_back(samples[s].id);
    batch.index.push_back(static_cast<std::int64_t>(s));
    if (schema.has_labels) batch.labels.push_back(samples[s].label);
    for (std::size_t t = 0; t < samples[s].rows; ++t) {
      batch.rows.resize_rows(batch.rows.rows() + 1);
      const float value = 100 * first + static_cast<float>(10 * s + t);
      std::ranges::fill(batch.rows.row<float>(batch.rows.rows() - 1), value);
    }
    batch.offsets.push_back(static_cast<std::int64_t>(batch.rows.rows()));
  }
  batch.rejected = rejected;
  const std::string path = (dir / name).string();
  const auto writer = SampleWriter::create(path, schema, {});
  writer->write(batch);
  writer->finish(test::some_digest(name));
  return path;
}

std::vector<float> first_column(const Batch& batch) {
  std::vector<float> values;
  for (std::size_t t = 0; t < batch.rows.rows(); ++t) values.push_back(batch.rows.row<float>(t)[0]);
  return values;
}

}  // namespace

TEST_CASE("fuse: sequences of one id lie one behind the other behind one class token, in the first file's order") {
  const test::TemporaryDirectory dir;
  Schema sound = schema_of("audio", 2);
  sound.has_labels = true;
  sound.label_names = {"cat", "dog"};
  const std::string video = write(dir, "video.h5", schema_of("video", 1), 1, {{"a", 3}, {"b", 2}, {"c", 1}});
  const std::string audio = write(dir, "audio.h5", sound, 2, {{"c", 4, 1}, {"a", 2, 0}, {"b", 3, -1}});
  for (const std::size_t at_once : {1, 2, 100}) {
    const auto fused = fuse_samples({video, audio});
    CHECK(fused->samples() == 3);
    CHECK(fused->schema().modality == "video+audio");
    CHECK(fused->schema().prefix == 1);
    CHECK(fused->schema().config["fused"].size() == 2);
    const Batch all = test::read_all(*fused, at_once, at_once);
    CHECK(all.ids == std::vector<std::string>{"a", "b", "c"});
    CHECK(all.offsets == std::vector<std::int64_t>{0, 3, 6, 9});
    CHECK(first_column(all) == std::vector<float>{100, 101, 102, 110, 111, 222, 120, 202, 203});
    CHECK(all.labels == std::vector<std::int32_t>{0, -1, 1});
  }
  const Batch other = test::read_all(*fuse_samples({audio, video}));
  CHECK(other.ids == std::vector<std::string>{"c", "a", "b"});
  CHECK(first_column(other) == std::vector<float>{200, 201, 202, 203, 210, 211, 101, 102, 220, 221, 222, 111});
}

TEST_CASE("fuse: what one file rejected is rejected, what one lacks is an error unless that is allowed") {
  const test::TemporaryDirectory dir;
  const std::string video = write(dir, "video.h5", schema_of("video", 0), 1, {{"a", 1}, {"b", 1}, {"c", 1}});
  const std::string cut =
      write(dir, "cut.h5", schema_of("audio", 0), 2, {{"c", 1}, {"a", 1}}, {{"b", 2, "it is cut", {}}});
  const Batch all = test::read_all(*fuse_samples({video, cut}));
  CHECK(all.ids == std::vector<std::string>{"a", "c"});
  REQUIRE(all.rejected.size() == 1);
  CHECK(all.rejected[0].id == "b");
  CHECK(all.rejected[0].index == 1);
  CHECK(all.rejected[0].reason.ends_with("cut.h5: it is cut"));
  const std::string few = write(dir, "few.h5", schema_of("audio", 0), 2, {{"b", 1}});
  CHECK_THROWS_WITH_AS(fuse_samples({video, few}), Contains("lacks the sample \"a\""), Error);
  const Batch some = test::read_all(*fuse_samples({video, few}, {.allow_missing = true}));
  CHECK(some.ids == std::vector<std::string>{"b"});
  CHECK(some.rejected.size() == 2);
  const std::string none = write(dir, "none.h5", schema_of("audio", 0), 2, {{"x", 1}});
  CHECK_THROWS_WITH_AS(fuse_samples({video, none}, {.allow_missing = true}), Contains("no sample that all"), Error);
}

TEST_CASE("fuse: files that do not go together are named") {
  const test::TemporaryDirectory dir;
  const std::string video = write(dir, "video.h5", schema_of("video", 1), 1, {{"a", 1}});
  CHECK_THROWS_AS(fuse_samples({video}), UsageError);
  Schema wide = test::tokens_schema(8);
  CHECK_THROWS_WITH_AS(fuse_samples({video, write(dir, "wide.h5", wide, 1, {{"a", 1}})}), Contains("float32 8 wide"),
                       Error);
  Schema placed = schema_of("audio", 1);
  placed.positions = true;
  CHECK_THROWS_WITH_AS(fuse_samples({video, write(dir, "placed.h5", placed, 1, {{"a", 1}})}),
                       Contains("has positions, the first file has none"), Error);
  CHECK_THROWS_WITH_AS(fuse_samples({video, write(dir, "twice.h5", schema_of("audio", 1), 1, {{"a", 1}, {"a", 1}})}),
                       Contains("has the id \"a\" twice"), Error);
  Schema cats = schema_of("audio", 1), dogs = schema_of("video", 1);
  cats.has_labels = dogs.has_labels = true;
  cats.label_names = {"cat"};
  dogs.label_names = {"dog"};
  const auto fused =
      fuse_samples({write(dir, "cats.h5", cats, 1, {{"a", 1, 0}}), write(dir, "dogs.h5", dogs, 1, {{"a", 1, 0}})});
  CHECK_THROWS_WITH_AS(fused->next(10, 10), Contains("of class \"dog\" there, of class \"cat\""), Error);
  const std::string features = (dir / "features.h5").string();
  test::write_samples(features, test::features_schema(), 3, 3);
  CHECK_THROWS_WITH_AS(fuse_samples({video, features}), Contains("holds features"), Error);
}
