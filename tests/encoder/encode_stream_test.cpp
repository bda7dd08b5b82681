#include "encoder/encode_stream.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include <doctest/doctest.h>

#include "base/error.h"
#include "encoder/hashed.h"

using namespace mt;
using namespace mt::test;

namespace {

constexpr Size kSmall{1, 64, 2, 128};

// Tokens from memory.
class Source final : public SampleReader {
 public:
  explicit Source(Batch batch, std::size_t prefix = 1) : batch_(std::move(batch)) {
    schema_.width = batch_.rows.columns();
    schema_.prefix = prefix;
    schema_.number_width = batch_.numbers.shape().size() == 2 ? batch_.numbers.columns() : 0;
  }
  const Schema& schema() const override { return schema_; }
  std::optional<std::int64_t> samples() const override { return static_cast<std::int64_t>(batch_.samples()); }
  std::optional<std::int64_t> rows() const override { return static_cast<std::int64_t>(batch_.row_count()); }
  std::optional<Batch> next(std::size_t max_rows, std::size_t max_samples) override {
    if (next_ == fail_at) throw Error("source", "it broke");
    if (next_ == batch_.samples()) return std::nullopt;
    std::size_t end = next_ + 1;
    while (end < batch_.samples() && end - next_ < max_samples &&
           batch_.row_end(end) - batch_.row_begin(next_) <= max_rows && end != fail_at) {
      ++end;
    }
    Batch some = batch_.slice(next_, end);
    if (next_ == 0) some.rejected = batch_.rejected;
    next_ = end;
    return some;
  }
  bool seekable() const override { return false; }
  Batch read(std::size_t, std::size_t) override { throw std::logic_error("not seekable"); }
  std::vector<std::int64_t> offsets(std::size_t, std::size_t) override { throw std::logic_error("not seekable"); }
  std::vector<std::int32_t> labels() override { throw std::logic_error("not seekable"); }
  Digest inputs() const override { return {}; }
  std::size_t fail_at = SIZE_MAX;

 private:
  Batch batch_;
  Schema schema_;
  std::size_t next_ = 0;
};

class Sink final : public SampleWriter {
 public:
  bool already_done() const override { return false; }
  std::int64_t resumed_samples() const override { return 0; }
  std::int64_t last_index() const override { return last; }
  void write(const Batch& batch) override {
    if (fails) throw Error("sink", "no space left");
    all.append(batch);
  }
  void finish(const Digest&) override {}
  Batch all;
  std::int64_t last = -1;
  bool fails = false;
};

class Notes final : public Progress {
 public:
  void advance(std::int64_t samples, std::int64_t rejected) override { done += samples + rejected; }
  void warn(std::string_view message) override { warnings.emplace_back(message); }
  std::int64_t done = 0;
  std::vector<std::string> warnings;
};

Batch token_batch(const std::vector<std::size_t>& lengths) {
  HashedBatch hashed = hashed_batch(lengths, kSmall.width);
  Batch batch;
  batch.rows = std::move(hashed.tokens);
  batch.offsets = std::move(hashed.offsets);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    batch.ids.push_back(fmt::format("s{}", i));
    batch.index.push_back(static_cast<std::int64_t>(2 * i));
    batch.labels.push_back(static_cast<std::int32_t>(i % 3));
  }
  return batch;
}

struct Run {
  Sink sink;
  Notes notes;
  StreamReport report;
};

Run run(Batch tokens, const StreamOptions& options, std::int64_t last = -1, std::size_t fail_at = SIZE_MAX,
        bool full = false) {
  ThreadPool pool(2);
  const auto encoder = make_cpu_encoder(hashed_encoder(kSmall), pool);
  std::vector<std::unique_ptr<SampleReader>> readers;
  auto source = std::make_unique<Source>(std::move(tokens));
  source->fail_at = fail_at;
  readers.push_back(std::move(source));
  Run result;
  result.sink.last = last;
  result.sink.fails = full;
  result.report = encode_stream(readers, *encoder, options, result.sink, result.notes);
  return result;
}

}  // namespace

TEST_CASE("encode stream: features do not depend on the budget, labels and names travel along") {
  const std::vector<std::size_t> lengths = {4, 30, 1, 7, 100, 3, 3, 3, 12, 50};
  StreamOptions options;
  const Batch expected = run(token_batch(lengths), options).sink.all;
  REQUIRE(expected.samples() == lengths.size());
  CHECK(expected.rows.shape() == Shape{10, 64});
  CHECK(expected.offsets.empty());
  CHECK(expected.ids == token_batch(lengths).ids);
  CHECK(expected.labels == token_batch(lengths).labels);
  for (const std::size_t budget : {1, 33, 120}) {
    options.budget = budget;
    const Run other = run(token_batch(lengths), options);
    CHECK(std::memcmp(other.sink.all.rows.data(), expected.rows.data(), expected.rows.bytes().size()) == 0);
    CHECK(other.report.samples == 10);
    CHECK(other.report.tokens == 213);
    CHECK(other.notes.done == 10);
  }
}

TEST_CASE("encode stream: samples without features are left out, named and listed in order with upstream's") {
  Batch tokens = token_batch({4, 30, 8, 7});
  tokens.rows.row<float>(10)[3] = NAN;  // of s1
  tokens.rejected = {{"broken.png", 1, "not a picture"}, {"late.png", 5, "empty"}};
  const Run result = run(tokens, {});
  CHECK(result.sink.all.ids == std::vector<std::string>{"s0", "s2", "s3"});
  CHECK(result.sink.all.index == std::vector<std::int64_t>{0, 4, 6});
  REQUIRE(result.sink.all.rejected.size() == 3);
  CHECK(result.sink.all.rejected[1] == Rejected{"s1", 2, "its tokens hold NaN or Inf"});
  CHECK(result.report.rejected == 1);
  REQUIRE(result.notes.warnings.size() == 1);
  CHECK(result.notes.warnings[0] == "s1: its tokens hold NaN or Inf (left out)");
  StreamOptions strict;
  strict.strict = true;
  CHECK_THROWS_WITH_AS(run(tokens, strict), doctest::Contains("s1: its tokens hold NaN or Inf"), Error);
}

TEST_CASE("encode stream: numbers that go round the encoder follow each sample's pooled feature") {
  StreamOptions options;
  Batch tokens = token_batch({4, 0, 7});  // the second has no features
  const Batch alone = run(tokens, options).sink.all;
  const float numbers[] = {1, 2, 3, 4, 5, 6};
  tokens.numbers = Tensor::of<float>({3, 2}, numbers);
  const Batch all = run(tokens, options).sink.all;
  REQUIRE(all.rows.shape() == Shape{2, 66});
  CHECK(all.numbers.empty());
  for (std::size_t i = 0; i < 2; ++i) {
    const auto row = all.rows.row<float>(i);
    CHECK(std::memcmp(row.data(), alone.rows.row<float>(i).data(), 64 * sizeof(float)) == 0);
    CHECK(row[64] == numbers[4 * i]);
    CHECK(row[65] == numbers[4 * i + 1]);
  }

  ThreadPool pool(1);
  const auto encoder = make_cpu_encoder(hashed_encoder(kSmall), pool);
  std::vector<std::unique_ptr<SampleReader>> readers;
  readers.push_back(std::make_unique<Source>(tokens));
  const Schema schema = features_schema(readers, *encoder, options);
  CHECK(schema.width == 66);
  CHECK(schema.number_width == 0);
  options.encode.pooling = Pooling::tokens;
  CHECK_THROWS_WITH_AS(features_schema(readers, *encoder, options),
                       doctest::Contains("2 numbers of each sample go round the encoder"), Error);
}

TEST_CASE("encode stream: a resume goes on behind the last index") {
  const Run whole = run(token_batch({4, 30, 8, 7}), {});
  Batch tokens = token_batch({4, 30, 8, 7});
  tokens.rejected = {{"early", 1, "bad"}, {"late", 5, "bad"}};
  const Run rest = run(tokens, {}, 2);
  CHECK(rest.sink.all.ids == std::vector<std::string>{"s2", "s3"});
  CHECK(rest.sink.all.rejected == std::vector<Rejected>{{"late", 5, "bad"}});
  CHECK(std::memcmp(rest.sink.all.rows.data(), whole.sink.all.rows.row<float>(2).data(),
                    rest.sink.all.rows.bytes().size()) == 0);
}

TEST_CASE("encode stream: what was computed before a failure is sealed; a full disk stops everything") {
  StreamOptions options;
  options.budget = 1;
  ThreadPool pool(1);
  const auto encoder = make_cpu_encoder(hashed_encoder(kSmall), pool);
  std::vector<std::unique_ptr<SampleReader>> readers;
  auto source = std::make_unique<Source>(token_batch({4, 30, 8, 7}));
  source->fail_at = 3;
  readers.push_back(std::move(source));
  Sink sink;
  Notes notes;
  CHECK_THROWS_WITH_AS(encode_stream(readers, *encoder, options, sink, notes), doctest::Contains("it broke"), Error);
  CHECK(sink.all.samples() == 3);
  CHECK_THROWS_WITH_AS(run(token_batch({4, 30, 8, 7}), options, -1, SIZE_MAX, true), doctest::Contains("no space left"),
                       Error);
}

namespace {

// Takes several batches at once, and those of few tokens take longest; the feature is the number of tokens.
class Uneven final : public Encoder {
 public:
  const Architecture& architecture() const override { return architecture_; }
  std::size_t feature_width(const EncodeOptions&) const override { return 1; }
  std::size_t concurrency() const override { return 4; }
  LayerTimes layer_times() const override { return {}; }
  Tensor encode(const Tensor& tokens, std::span<const std::int64_t>, const EncodeOptions&,
                std::vector<FailedSample>* failed) override {
    const std::size_t count = tokens.rows();
    std::this_thread::sleep_for(std::chrono::milliseconds(count < 10 ? 10 - count : 0));
    if (count == breaks_at) throw Error("uneven", "it broke");
    if (count == rejects) failed->push_back({0, "too odd"});
    return Tensor::of<float>({1, 1}, {static_cast<float>(count)});
  }
  std::size_t breaks_at = 0, rejects = 0;

 private:
  Architecture architecture_{1, kSmall.width, 2, 128};
};

Run run_uneven(Uneven& encoder, bool full = false, bool strict = false, Run* partial = nullptr) {
  StreamOptions options;
  options.budget = 1;
  options.strict = strict;
  std::vector<std::unique_ptr<SampleReader>> readers;
  readers.push_back(std::make_unique<Source>(token_batch({1, 2, 3, 4, 5, 6, 7, 8, 9})));
  Run result;
  Run& target = partial != nullptr ? *partial : result;
  target.sink.fails = full;
  target.report = encode_stream(readers, encoder, options, target.sink, target.notes);
  return result;
}

}  // namespace

TEST_CASE("encode stream: batches that are computed at once are written in their order") {
  Uneven encoder;
  const Run result = run_uneven(encoder);
  CHECK(result.sink.all.ids == token_batch({1, 2, 3, 4, 5, 6, 7, 8, 9}).ids);
  for (std::size_t i = 0; i < 9; ++i) CHECK(result.sink.all.rows.as<float>()[i] == static_cast<float>(i + 1));
  CHECK(result.report.samples == 9);
  CHECK(result.report.tokens == 45);

  encoder.rejects = 4;
  const Run rejecting = run_uneven(encoder);
  CHECK(rejecting.sink.all.samples() == 8);
  CHECK(rejecting.notes.warnings == std::vector<std::string>{"s3: too odd (left out)"});
}

TEST_CASE("encode stream: of batches that are computed at once, those before a failure are kept, all behind dropped") {
  Uneven encoder;
  encoder.breaks_at = 4;
  Run kept;
  CHECK_THROWS_WITH_AS(run_uneven(encoder, false, false, &kept), doctest::Contains("it broke"), Error);
  CHECK(kept.sink.all.ids == std::vector<std::string>{"s0", "s1", "s2"});
  encoder.breaks_at = 0;
  CHECK_THROWS_WITH_AS(run_uneven(encoder, true), doctest::Contains("no space left"), Error);
  encoder.rejects = 2;
  Run strict;
  CHECK_THROWS_WITH_AS(run_uneven(encoder, false, true, &strict), doctest::Contains("s1: too odd"), Error);
  CHECK(strict.sink.all.ids == std::vector<std::string>{"s0"});
}

TEST_CASE("encode batch: per-token features drop the prefix together with its centers and labels") {
  Batch tokens = token_batch({4, 3});
  tokens.centers = Tensor::of<float>({7, 3}, {0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 10, 10, 10, 11, 11, 11, 12, 12, 12});
  tokens.token_labels = {-1, 1, 2, 3, -1, 11, 12};
  ThreadPool pool(1);
  const auto encoder = make_cpu_encoder(hashed_encoder(kSmall), pool);
  StreamOptions options;
  options.encode.pooling = Pooling::tokens;
  const Batch features = encode_batch(tokens, *encoder, options);
  CHECK(features.offsets == std::vector<std::int64_t>{0, 3, 5});
  CHECK(features.rows.shape() == Shape{5, 64});
  CHECK(features.token_labels == std::vector<std::int32_t>{1, 2, 3, 11, 12});
  CHECK(features.centers.row<float>(3)[0] == 11);
  CHECK(features.centers.rows() == 5);
}

TEST_CASE("token additions: class token and positions of the published formula") {
  Tensor tokens = Tensor::of<float>({3, 4}, {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3});
  std::vector<std::int64_t> offsets = {0, 2, 3};
  add_to_tokens({std::vector<float>{9, 9, 9, 9}, true}, tokens, offsets);
  CHECK(offsets == std::vector<std::int64_t>{0, 3, 5});
  REQUIRE(tokens.shape() == Shape{5, 4});
  const auto near = [&](std::size_t row, std::size_t column, double value) {
    CHECK(std::abs(static_cast<double>(tokens.row<float>(row)[column]) - value) < 1e-6);
  };
  near(0, 0, 9);   // sin 0
  near(0, 1, 10);  // cos 0
  near(1, 0, 1 + std::sin(1.0));
  near(2, 1, 2 + std::cos(2.0));
  near(2, 2, 2 + std::sin(0.02));  // 2 / 10000^(2/4)
  near(4, 3, 3 + std::cos(0.01));
}

TEST_CASE("features schema: refuses tokens of another width and files that were not made alike") {
  ThreadPool pool(1);
  const auto encoder = make_cpu_encoder(hashed_encoder(kSmall), pool);
  std::vector<std::unique_ptr<SampleReader>> readers;
  readers.push_back(std::make_unique<Source>(token_batch({4})));
  CHECK(features_schema(readers, *encoder, {}).width == 64);
  readers.push_back(std::make_unique<Source>(token_batch({4}), 0));
  CHECK_THROWS_WITH_AS(features_schema(readers, *encoder, {}), doctest::Contains("was not made like"), Error);
  readers.clear();
  Batch narrow = token_batch({4});
  narrow.rows = Tensor(DType::f32, {4, 32});
  readers.push_back(std::make_unique<Source>(std::move(narrow)));
  CHECK_THROWS_WITH_AS(features_schema(readers, *encoder, {}),
                       doctest::Contains("/tokens is 32 wide, the encoder takes 64"), Error);
}
