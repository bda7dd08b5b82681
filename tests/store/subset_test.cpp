#include "store/subset.h"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/files.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

// Samples in memory as a reader; seekable only when told so.
class MemoryReader : public SampleReader {
 public:
  MemoryReader(Schema schema, Batch all, bool can_seek)
      : schema_(std::move(schema)), all_(std::move(all)), seekable_(can_seek) {}
  const Schema& schema() const override { return schema_; }
  std::optional<std::int64_t> samples() const override {
    return seekable_ ? std::optional(static_cast<std::int64_t>(all_.samples())) : std::nullopt;
  }
  std::optional<std::int64_t> rows() const override { return samples(); }
  std::optional<Batch> next(std::size_t /*max_rows*/, std::size_t max_samples) override {
    if (next_ == all_.samples()) return std::nullopt;
    const std::size_t end = std::min({all_.samples(), next_ + max_samples, next_ + 7});
    Batch batch = all_.slice(std::exchange(next_, end), end);
    ++batches;
    return batch;
  }
  bool seekable() const override { return seekable_; }
  Batch read(std::size_t begin, std::size_t end) override { return all_.slice(begin, end); }
  std::vector<std::int64_t> offsets(std::size_t /*begin*/, std::size_t /*end*/) override { return {}; }
  std::vector<std::int32_t> labels() override { return all_.labels; }
  Digest inputs() const override { return {}; }

  int batches = 0;

 private:
  Schema schema_;
  Batch all_;
  bool seekable_;
  std::size_t next_ = 0;
};

Schema schema() {
  Schema schema;
  schema.kind = Kind::features;
  schema.ragged = false;
  schema.width = 1;
  schema.has_labels = true;
  schema.label_names = {"a", "b", "c"};
  return schema;
}

// Sample i: id "rec<i/4>.wav#<i%4>", label i % 3.
Batch samples(std::size_t n) {
  Batch batch;
  batch.rows = Tensor(DType::f32, {n, 1});
  for (std::size_t i = 0; i < n; ++i) {
    batch.ids.push_back("rec" + std::to_string(i / 4) + ".wav#" + std::to_string(i % 4));
    batch.index.push_back(static_cast<std::int64_t>(i));
    batch.labels.push_back(static_cast<std::int32_t>(i % 3));
    batch.rows.as<float>()[i] = static_cast<float>(i);
  }
  return batch;
}

// Every part's samples, read in batches of seven.
std::vector<Batch> taken(SubsetOptions options, std::size_t n, bool seekable, int* survey_batches = nullptr) {
  Subset subset(std::move(options), schema());
  Progress silent;
  if (subset.needs_survey()) {
    MemoryReader survey(schema(), samples(n), seekable);
    subset.survey(survey, silent);
    if (survey_batches != nullptr) *survey_batches = survey.batches;
  }
  std::vector<Batch> parts(subset.parts());
  MemoryReader reader(schema(), samples(n), seekable);
  while (!subset.exhausted()) {
    const auto batch = reader.next(100, 100);
    if (!batch) break;
    const std::vector<Batch> divided = subset.take(*batch);
    REQUIRE(divided.size() == parts.size());
    for (std::size_t p = 0; p < parts.size(); ++p) parts[p].append(divided[p]);
  }
  return parts;
}

}  // namespace

TEST_CASE("subset: nothing selected gives every batch back as it is, rejected inputs too") {
  Subset subset({}, schema());
  Batch batch = samples(5);
  batch.rejected = {{"bad.png", 9, "broken"}};
  const std::vector<Batch> parts = subset.take(batch);
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].ids == batch.ids);
  CHECK(parts[0].rejected == batch.rejected);
  CHECK_FALSE(subset.exhausted());
}

TEST_CASE("subset: a split gives every sample to one part, stratified, the same from a file and from a stream") {
  SubsetOptions options;
  options.parts = parse_split("train=0.5,test=0.5");
  int survey_batches = -1;
  const std::vector<Batch> file = taken(options, 60, true, &survey_batches), stream = taken(options, 60, false);
  CHECK(survey_batches == 0);  // labels alone decide: no row was read
  for (std::size_t p = 0; p < 2; ++p) CHECK(file[p].index == stream[p].index);
  CHECK(file[0].samples() == 30);
  CHECK(std::count(file[0].labels.begin(), file[0].labels.end(), 0) == 10);
  std::set<std::int64_t> all(file[0].index.begin(), file[0].index.end());
  all.insert(file[1].index.begin(), file[1].index.end());
  CHECK(all.size() == 60);
}

TEST_CASE("subset: a split by source keeps the windows of one recording together") {
  SubsetOptions options;
  options.parts = parse_split("train=0.75,test=0.25");
  options.grouping.emplace("source");
  const std::vector<Batch> parts = taken(options, 160, true);
  CHECK(parts[1].samples() == 40);
  std::set<std::int64_t> recordings;
  for (const std::int64_t index : parts[1].index) recordings.insert(index / 4);
  CHECK(recordings.size() == 10);
}

TEST_CASE("subset: selected samples are split, the others are nowhere") {
  SubsetOptions options;
  options.selection.labels = {"c", "a"};
  options.selection.sample = 20;
  options.parts = parse_split("train=0.8,test=0.2");
  const std::vector<Batch> parts = taken(options, 90, true);
  CHECK(parts[0].samples() == 16);
  CHECK(parts[1].samples() == 4);
  // Classes that were not selected are gone, the others keep their order: a, c.
  Subset subset(options, schema());
  CHECK(subset.schema_of_output().label_names == std::vector<std::string>{"a", "c"});
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(parts[0].labels[i] == (parts[0].index[i] % 3 == 0 ? 0 : 1));
    CHECK(parts[0].index[i] % 3 != 1);
  }
}

TEST_CASE("subset: head stops reading early, tail takes the end") {
  SubsetOptions head;
  head.selection.head = 3;
  Subset subset(head, schema());
  subset.take(samples(7));
  CHECK(subset.exhausted());
  SubsetOptions tail;
  tail.selection.tail = 3;
  CHECK(taken(tail, 50, true)[0].index == std::vector<std::int64_t>{47, 48, 49});
  CHECK(taken(tail, 50, false)[0].index == std::vector<std::int64_t>{47, 48, 49});
}

TEST_CASE("subset: the content digest does not depend on batches or order, and sees every value") {
  const auto digest_of = [](const std::vector<Batch>& batches) {
    SetDigest inputs;
    for (const Batch& batch : batches) add_content(batch, inputs);
    return inputs.value();
  };
  const Batch all = samples(10);
  CHECK(digest_of({all}) == digest_of({all.slice(5, 10), all.slice(0, 5)}));
  Batch changed = all;
  changed.rows.as<float>()[3] += 1;
  CHECK(digest_of({all}) != digest_of({changed}));
}

TEST_CASE("grouping: by source, by folder, by a file") {
  CHECK(Grouping("source").group_of("a/b.wav#12") == "a/b.wav");
  CHECK(Grouping("source").group_of("a.png") == "a.png");
  CHECK(Grouping("folder").group_of("x/y/a.png") == "x/y");
  CHECK(Grouping("folder").group_of("a.png").empty());
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "g.csv").string();
  write_file(path, "group,id\nann,a.png\n\"b,ob\",b.png\n\n");
  const Grouping grouping(path);
  CHECK(grouping.group_of("b.png") == "b,ob");
  CHECK_THROWS_WITH_AS(grouping.group_of("c.png"), doctest::Contains("has no group for \"c.png\""), Error);
  const auto refuse = [&](std::string_view text, const char* why) {
    write_file(path, text);
    CHECK_THROWS_WITH_AS(Grouping{path}, doctest::Contains(why), Error);
  };
  refuse("id\nx\n", "line 1: has no column \"group\"");
  refuse("id,group\nx\n", "line 2: has 1 fields, the header 2");
  refuse("id,group\nx,1\nx,2\n", "line 3: lists \"x\" a second time");
  CHECK_THROWS_AS(Grouping((directory / "absent.csv").string()), Error);
}
