#include "store/selection.h"

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/files.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

Schema schema_of(std::vector<std::string> names) {
  Schema schema;
  schema.kind = Kind::features;
  schema.ragged = false;
  schema.has_labels = !names.empty();
  schema.label_names = std::move(names);
  return schema;
}

Batch samples(std::size_t n) {
  Batch batch;
  batch.rows = Tensor(DType::f32, {n, 1});
  for (std::size_t i = 0; i < n; ++i) {
    batch.ids.push_back("s" + std::to_string(i));
    batch.index.push_back(static_cast<std::int64_t>(i));
    batch.labels.push_back(static_cast<std::int32_t>(i % 3));
    batch.rows.as<float>()[i] = static_cast<float>(i);
  }
  return batch;
}

std::vector<std::int64_t> taken(const Selection& selection, const Batch& batch) {
  const Schema schema = schema_of({"a", "b", "c"});
  SampleFilter filter(selection, schema);
  std::vector<bool> keep;
  for (std::size_t i = 0; i < batch.samples(); ++i) keep.push_back(filter.takes(batch, i));
  const Batch kept = kept_samples(batch, keep);
  const SampleChoice choice(selection, kept.samples());
  std::vector<bool> chosen;
  for (std::size_t i = 0; i < kept.samples(); ++i) chosen.push_back(choice.takes(i));
  const Batch result = kept_samples(kept, chosen);
  for (std::size_t i = 0; i < result.samples(); ++i) {
    CHECK(result.rows.row<float>(i)[0] == static_cast<float>(result.index[i]));
  }
  return result.index;
}

}  // namespace

TEST_CASE("selection: rows, ids and labels take what they name, in the file's order") {
  Selection selection;
  selection.rows = parse_rows("2:9");
  CHECK(taken(selection, samples(20)) == std::vector<std::int64_t>{2, 3, 4, 5, 6, 7, 8});
  selection.labels = {"b"};
  CHECK(taken(selection, samples(20)) == std::vector<std::int64_t>{4, 7});
  selection.rows.reset();
  selection.labels = {"a", "c"};
  selection.ids = std::vector<std::string>{"s8", "s3", "s1"};
  CHECK(taken(selection, samples(20)) == std::vector<std::int64_t>{3, 8});
}

TEST_CASE("selection: head and tail see what the filters left") {
  Selection selection;
  selection.labels = {"c"};
  selection.head = 3;
  CHECK(taken(selection, samples(20)) == std::vector<std::int64_t>{2, 5, 8});
  selection.head.reset();
  selection.tail = 2;
  CHECK(taken(selection, samples(20)) == std::vector<std::int64_t>{14, 17});
  selection.tail = 100;
  CHECK(taken(selection, samples(20)).size() == 6);
}

TEST_CASE("selection: a sample has its size, no double, and is the seed's") {
  Selection selection;
  parse_sample("25", selection);
  const std::vector<std::int64_t> first = taken(selection, samples(100));
  CHECK(first.size() == 25);
  CHECK(std::is_sorted(first.begin(), first.end()));
  CHECK(std::adjacent_find(first.begin(), first.end()) == first.end());
  CHECK(first == taken(selection, samples(100)));
  selection.seed = 1;
  CHECK(first != taken(selection, samples(100)));
  selection.sample = 1000;
  CHECK(taken(selection, samples(100)).size() == 100);
  selection.sample = 25;
  selection.head = 5;
  CHECK(taken(selection, samples(100)).size() == 5);
}

TEST_CASE("selection: a fraction takes the same samples whatever their position") {
  Selection selection;
  parse_sample("0.3", selection);
  const std::vector<std::int64_t> whole = taken(selection, samples(10000));
  CHECK(std::abs(static_cast<double>(whole.size()) - 3000) < 5 * std::sqrt(10000 * 0.3 * 0.7));  // five deviations
  const Batch all = samples(10000);
  const std::vector<std::int64_t> half = taken(selection, all.slice(5000, 10000));
  CHECK(std::equal(half.rbegin(), half.rend(), whole.rbegin()));
}

TEST_CASE("selection: reading may stop when nothing more can pass") {
  const Batch batch = samples(10);
  Selection selection;
  selection.rows = parse_rows(":3");
  selection.ids = std::vector<std::string>{"s1", "s9"};
  SampleFilter filter(selection, schema_of({}));
  for (std::size_t i = 0; i < 3; ++i) filter.takes(batch, i);
  CHECK(filter.exhausted());
  CHECK(filter.missing() == std::vector<std::string>{"s9"});
  Selection head;
  head.head = 2;
  CHECK(SampleChoice(head, std::nullopt).exhausted(2));
  CHECK_FALSE(SampleChoice(head, std::nullopt).exhausted(1));
}

TEST_CASE("selection: a label that is no class is refused with the nearest") {
  Selection selection;
  selection.labels = {"sneakr"};
  CHECK_THROWS_WITH_AS(SampleFilter(selection, schema_of({"boot", "sneaker"})),
                       doctest::Contains("did you mean \"sneaker\"?"), Error);
}

TEST_CASE("selection: what cannot be meant is a usage error") {
  for (const char* text : {"", "5", "3:2", "-1:4", "a:b", "1:2:3"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_rows(text), UsageError);
  }
  CHECK(parse_rows("4:").first == 4);
  Selection selection;
  for (const char* text : {"", "0", "-3", "1.5", "0.0", "nan", "x"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_sample(text, selection), UsageError);
  }
}

TEST_CASE("id list: one a line or the column \"id\" of a CSV file") {
  const test::TemporaryDirectory directory;
  const std::string path = (directory / "ids").string();
  const auto list = [&](std::string_view text) {
    write_file(path, text);
    return read_id_list(path);
  };
  CHECK(list("a.png\nb c.png\r\n\n'=x\n\"q\"\"r,s\"") == std::vector<std::string>{"a.png", "b c.png", "=x", "q\"r,s"});
  CHECK(list("label,id\ncat,x\ndog,y\n") == std::vector<std::string>{"x", "y"});
  CHECK(list("").empty());
  CHECK_THROWS_WITH_AS(list("a\nb\na\n"), doctest::Contains("lists \"a\" twice"), Error);
  CHECK_THROWS_WITH_AS(list("a,b\n"), doctest::Contains("line 1: has several columns, none is called \"id\""), Error);
  CHECK_THROWS_WITH_AS(list("x,id\n1\n"), doctest::Contains("line 2: has 1 columns, the ids are in column 2"), Error);
  CHECK_THROWS_AS(list("\"open"), Error);
}
