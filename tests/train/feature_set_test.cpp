#include "train/feature_set.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "feature_file.h"
#include "support/temporary_directory.h"
#include "train/sample_matrix.h"

namespace mt {
namespace {

constexpr std::uint64_t kMemory = std::uint64_t{1} << 30;

Tensor numbered(std::size_t rows, std::size_t width, float first) {
  Tensor tensor(DType::f32, {rows, width});
  for (std::size_t i = 0; i < tensor.size(); ++i) tensor.as<float>()[i] = first + static_cast<float>(i);
  return tensor;
}

struct Files {
  test::TemporaryDirectory directory;
  // 5 samples of cat, dog and one without a label; 3 of dog and fox, numbered the other way round.
  std::string first = test::write_features(directory / "first.h5", test::feature_schema(2, {"cat", "dog", "cow"}),
                                           numbered(5, 2, 0), {0, 1, -1, 0, 1}, "a");
  std::string second = test::write_features(directory / "second.h5", test::feature_schema(2, {"fox", "dog"}),
                                            numbered(3, 2, 100), {1, 0, 0}, "b");
};

TEST_CASE_FIXTURE(Files, "feature set: files are joined by the names of their classes, not by numbers") {
  FeatureSet set(kMemory);
  set.add(first);
  set.add(second);
  CHECK(set.drop_empty_classes() == std::vector<std::string>{"cow"});
  CHECK(set.class_names() == std::vector<std::string>{"cat", "dog", "fox"});
  CHECK(set.samples() == 7);
  CHECK(set.unlabelled() == 1);
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < 7; ++i) labels.push_back(set.class_names()[static_cast<std::size_t>(set.label(i))]);
  CHECK(labels == std::vector<std::string>{"cat", "dog", "cat", "dog", "dog", "fox", "fox"});
  CHECK(set.class_counts(0, 4) == std::vector<std::size_t>{2, 2, 0});
}

TEST_CASE_FIXTURE(Files, "feature set: rows come in any order, over files and past samples without a label") {
  FeatureSet set(kMemory);
  set.add(first);
  set.add(second);
  const std::vector<std::size_t> wanted = {6, 2, 3, 4, 0};
  std::vector<float> rows(10);
  set.read(wanted, rows.data());
  CHECK(rows == std::vector<float>{104, 105, 6, 7, 8, 9, 100, 101, 0, 1});
  CHECK(set.describe(2) == first + ": a3.png");
  CHECK(set.describe(5) == second + ": b1.png");
  std::vector<std::string> ids;
  set.for_each_id([&](std::size_t sample, std::string_view id) {
    CHECK(sample == ids.size());
    ids.emplace_back(id);
  });
  CHECK(ids == std::vector<std::string>{"a0.png", "a1.png", "a3.png", "a4.png", "b0.png", "b1.png", "b2.png"});
}

TEST_CASE_FIXTURE(Files, "feature set: what does not fit together is refused with both sides") {
  const auto refused = [&](const std::string& file, const char* reason, bool known_only = false) {
    CAPTURE(reason);
    FeatureSet set(kMemory);
    set.add(first);
    CHECK_THROWS_WITH_AS(set.add(file, known_only), doctest::Contains(reason), Error);
  };
  const auto wide =
      test::write_features(directory / "wide.h5", test::feature_schema(3, {"cat"}), numbered(2, 3, 0), {0, 0});
  refused(wide, "its samples are 1 x 3, those of the files before it 1 x 2");
  Schema patches = test::feature_schema(2, {"cat"});
  patches.kind = Kind::patches;
  patches.ragged = true;
  refused(second, "has class \"fox\", the training samples do not", true);
  const auto unlabelled =
      test::write_features(directory / "no.h5", test::feature_schema(2, {"cat"}), numbered(2, 2, 0), {-1, -1});
  refused(unlabelled, "none of its 2 samples has a label");
  Schema bare = test::feature_schema(2, {});
  bare.has_labels = false;
  refused(test::write_features(directory / "bare.h5", bare, numbered(2, 2, 0), {0, 0}), "has no labels");
  Schema predictions = test::feature_schema(2, {"cat", "dog"});
  predictions.kind = Kind::predictions;
  refused(test::write_features(directory / "p.h5", predictions, numbered(2, 2, 0), {0, 1}),
          "holds predictions, not features");
  refused((directory / "absent.h5").string(), "absent.h5");
}

TEST_CASE_FIXTURE(Files, "feature set: classes without names are named by their numbers") {
  const auto file =
      test::write_features(directory / "numbers.h5", test::feature_schema(2, {}), numbered(3, 2, 0), {7, 0, 7});
  FeatureSet set(kMemory);
  set.add(file);
  CHECK(set.class_names() == std::vector<std::string>{"7", "0"});
}

TEST_CASE_FIXTURE(Files, "feature set: the digest tells other labels, other files and another order apart") {
  const auto digest = [&](const std::vector<std::string>& names) {
    FeatureSet set(kMemory);
    for (const std::string& name : names) set.add(name);
    return hex(set.digest());
  };
  CHECK(digest({first, second}) == digest({first, second}));
  CHECK(digest({first, second}) != digest({second, first}));
  CHECK(digest({first}) != digest({first, second}));
}

TEST_CASE("sample matrix: rows, moments and gathered rows do not depend on memory, type or threads") {
  // given more rows than one chunk of a stream holds (32 MiB), of two types
  test::TemporaryDirectory directory;
  const test::Clouds clouds(9000, 1100, 3, 1);
  for (const DType dtype : {DType::f32, DType::f16}) {
    Schema schema = test::feature_schema(1100, {"a", "b", "c"});
    schema.dtype = dtype;
    const auto file = test::write_features(directory / std::string(name_of(dtype)), schema, clouds.rows, clouds.labels);
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < 9000; ++i) {
      if (i % 7 != 0) order.push_back(i);
    }
    for (std::size_t i = 0; i < 9000; i += 7) order.push_back(i);
    ThreadPool one(1), three(3);
    FeatureSet set(kMemory), other(kMemory);
    set.add(file);
    other.add(file);
    SampleMatrix held(set, order, kMemory, three), streamed(other, order, 1 << 20, one);
    CHECK(held.in_memory());
    CHECK_FALSE(streamed.in_memory());

    // when
    const Moments moments = held.measure(0, 9000);
    CHECK(moments.mean() == streamed.measure(0, 9000).mean());
    CHECK(moments.variance() == streamed.measure(0, 9000).variance());
    held.standardise(moments.standardisation());
    streamed.standardise(moments.standardisation());

    // then
    const auto all = [](SampleMatrix& matrix, std::size_t begin, std::size_t end) {
      std::vector<float> rows;
      matrix.visit(begin, end, [&](std::size_t first, const float* values, std::size_t count) {
        CHECK(first == begin + rows.size() / matrix.width());
        rows.insert(rows.end(), values, values + count * matrix.width());
      });
      return rows;
    };
    CHECK(all(held, 0, 9000) == all(streamed, 0, 9000));
    CHECK(all(held, 100, 7001) == all(streamed, 100, 7001));
    const std::vector<std::size_t> some = {8999, 0, 5, 6, 7, 4000, 3};
    std::vector<float> a(some.size() * 1100), b(some.size() * 1100);
    held.gather(some, a.data());
    streamed.gather(some, b.data());
    CHECK(a == b);
  }
}

TEST_CASE("sample matrix: a value that is not finite is named by file, sample and feature, the first one") {
  test::TemporaryDirectory directory;
  test::Clouds clouds(3000, 4, 2, 1);
  clouds.rows.row<float>(2500)[1] = std::numeric_limits<float>::infinity();
  clouds.rows.row<float>(1234)[2] = std::numeric_limits<float>::quiet_NaN();
  const auto file =
      test::write_features(directory / "f.h5", test::feature_schema(4, {"a", "b"}), clouds.rows, clouds.labels);
  ThreadPool pool(3);
  for (const std::uint64_t memory : {kMemory, std::uint64_t{1000}}) {
    FeatureSet set(kMemory);
    set.add(file);
    std::vector<std::size_t> order(3000);
    for (std::size_t i = 0; i < 3000; ++i) order[i] = i;
    SampleMatrix matrix(set, order, memory, pool);
    CHECK_THROWS_WITH_AS(matrix.measure(0, 3000), doctest::Contains("s1234.png: feature 2 is nan"), Error);
  }
}

TEST_CASE("sample matrix: a file that vanishes or is damaged while it streams is an error, not a hang") {
  test::TemporaryDirectory directory;
  const test::Clouds clouds(3000, 64, 2, 1);
  const auto file =
      test::write_features(directory / "f.h5", test::feature_schema(64, {"a", "b"}), clouds.rows, clouds.labels);
  FeatureSet set(kMemory);
  set.add(file);
  std::vector<std::size_t> order(3000);
  for (std::size_t i = 0; i < 3000; ++i) order[i] = i;
  ThreadPool pool(1);
  SampleMatrix matrix(set, order, 1000, pool);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  CHECK_THROWS_AS(matrix.measure(0, 3000), Error);
  // A visitor that throws ends the reading thread too.
  std::size_t visits = 0;
  CHECK_THROWS(matrix.visit(0, 3000, [&](std::size_t, const float*, std::size_t) {
    ++visits;
    throw Error("test", "stops");
  }));
  CHECK(visits <= 1);
}

}  // namespace
}  // namespace mt
