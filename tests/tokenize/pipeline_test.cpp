#include "tokenize/pipeline.h"

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"

using namespace mt;

namespace {

// Sample i has i % 3 + 1 rows that hold i; every rejected_every-th one fails after it has appended a row.
class Numbers : public SampleMaker {
 public:
  explicit Numbers(std::size_t count, std::size_t rejected_every = 0)
      : count_(count), rejected_every_(rejected_every) {}

  std::size_t size() const override { return count_; }
  std::string id(std::size_t i) const override { return fmt::format("n{}", i); }
  Digest digest(std::size_t i) const override {
    if (rejects(i) && i % 8 == 7) throw Error(id(i), "cannot be read");
    return sha256(std::string_view(id(i)));
  }
  Batch empty_batch() const override {
    Batch batch;
    batch.rows = Tensor(DType::f32, {0, 2});
    batch.centers = Tensor(DType::f32, {0, 3});
    return batch;
  }
  Digest make(std::size_t i, Batch& batch) const override {
    if (i == broken) throw std::logic_error("a bug");
    ++started;
    const std::size_t before = batch.rows.rows();
    batch.rows.resize_rows(before + i % 3 + 1);
    if (rejects(i)) throw Error(id(i), "is no number", "use another");
    batch.centers.resize_rows(before + i % 3 + 1);
    for (std::size_t r = before; r < batch.rows.rows(); ++r) batch.rows.row<float>(r)[0] = static_cast<float>(i);
    if (i % 7 == 0) std::this_thread::yield();
    return digest(i);
  }
  void finish(Batch& batch) const override {
    for (std::size_t r = 0; r < batch.rows.rows(); ++r) batch.rows.row<float>(r)[1] = 1;
  }

  std::size_t broken = static_cast<std::size_t>(-1);
  mutable std::atomic<std::size_t> started = 0;

 private:
  bool rejects(std::size_t i) const { return rejected_every_ > 0 && i % rejected_every_ == rejected_every_ - 1; }
  std::size_t count_, rejected_every_;
};

class MemoryWriter : public SampleWriter {
 public:
  bool already_done() const override { return false; }
  std::int64_t resumed_samples() const override { return resumed; }
  std::int64_t last_index() const override { return last; }
  Digest resumed_inputs() const override { return remembered; }
  void remember_inputs(const Digest& so_far) override { remembered = so_far; }
  void write(const Batch& batch) override {
    if (++writes == fail_at) throw Error("output", "could not write: No space left on device");
    written.append(batch);
  }
  void finish(const Digest&) override {}

  Batch written;
  Digest remembered{};
  std::int64_t last = -1, resumed = 0;
  int writes = 0, fail_at = 0;
};

class Messages : public Progress {
 public:
  void warn(std::string_view message) override { warnings.emplace_back(message); }
  std::vector<std::string> warnings;
};

std::vector<std::size_t> all(std::size_t n) {
  std::vector<std::size_t> positions(n);
  std::iota(positions.begin(), positions.end(), std::size_t{0});
  return positions;
}

PipelineOptions with_threads(std::size_t threads) { return {.threads = threads, .batch_samples = 5, .strict = false}; }

}  // namespace

TEST_CASE("pipeline: samples come in the list's order, the same for any number of threads") {
  const Numbers numbers(103);
  for (const std::size_t threads : {1, 2, 7}) {
    MemoryWriter writer;
    Progress quiet;

    const PipelineResult result = run_pipeline(numbers, all(103), writer, with_threads(threads), quiet);

    CHECK(result.samples == 103);
    CHECK(result.rejected == 0);
    CHECK(result.inputs == inputs_digest(numbers, all(103), 3));
    REQUIRE(writer.written.samples() == 103);
    for (std::size_t i = 0; i < 103; ++i) {
      CHECK(writer.written.ids[i] == fmt::format("n{}", i));
      CHECK(writer.written.index[i] == static_cast<std::int64_t>(i));
      CHECK(writer.written.row_end(i) - writer.written.row_begin(i) == i % 3 + 1);
      CHECK(writer.written.rows.row<float>(writer.written.row_begin(i))[0] == static_cast<float>(i));
      CHECK(writer.written.rows.row<float>(writer.written.row_begin(i))[1] == 1);
    }
  }
}

TEST_CASE("pipeline: rejected samples are listed in order and leave no rows behind") {
  const Numbers numbers(40, 4);
  MemoryWriter writer;
  Messages messages;

  const PipelineResult result = run_pipeline(numbers, all(40), writer, with_threads(3), messages);

  CHECK(result.samples == 30);
  CHECK(result.rejected == 10);
  CHECK(writer.written.samples() == 30);
  CHECK(writer.written.rows.rows() == writer.written.centers.rows());
  CHECK(writer.written.rows.rows() == static_cast<std::size_t>(result.rows));
  REQUIRE(writer.written.rejected.size() == 10);
  CHECK(writer.written.rejected[1] == Rejected{"n7", 7, "is no number (use another)", sha256("unreadable")});
  REQUIRE(messages.warnings.size() == 10);
  CHECK(messages.warnings[0] == "n3: is no number (use another) (skipped; --strict stops here)");
  // Inputs that cannot be read count as well: when they are repaired, the output is another one.
  CHECK(result.inputs == inputs_digest(numbers, all(40), 1));
  CHECK(result.inputs != inputs_digest(Numbers(40), all(40), 1));
}

TEST_CASE("pipeline: strict stops at the first sample of the list that is rejected") {
  const Numbers numbers(40, 4);
  MemoryWriter writer;
  Progress quiet;
  PipelineOptions options = with_threads(4);
  options.strict = true;
  CHECK_THROWS_WITH_AS(run_pipeline(numbers, all(40), writer, options, quiet), "n3: is no number (use another)", Error);
}

TEST_CASE("pipeline: a resumed run takes what lies behind the last sealed sample and counts all inputs") {
  const Numbers numbers(40, 4);
  MemoryWriter before, writer;
  Progress quiet;
  before.fail_at = 5;
  CHECK_THROWS_AS(run_pipeline(numbers, all(40), before, with_threads(2), quiet), Error);
  // Four batches of five are sealed; the fifth was not, so what was remembered with it is not either.
  writer.last = 19;
  writer.resumed = 15;
  writer.remembered = inputs_digest(numbers, all(20), 1);

  const PipelineResult result = run_pipeline(numbers, all(40), writer, with_threads(2), quiet);

  CHECK(before.written.index.back() == 18);
  CHECK(writer.written.index.front() == 20);
  CHECK(result.samples == 15);
  CHECK(result.resumed_samples == 15);
  CHECK(result.resumed_rejected == 5);
  CHECK(result.inputs == inputs_digest(numbers, all(40), 1));
  CHECK(writer.remembered == result.inputs);
}

TEST_CASE("pipeline: workers stay a few batches ahead of a writer that fails") {
  const Numbers numbers(1000);
  MemoryWriter writer;
  writer.fail_at = 1;
  Progress quiet;
  CHECK_THROWS_WITH_AS(run_pipeline(numbers, all(1000), writer, with_threads(2), quiet),
                       "output: could not write: No space left on device", Error);
  // Two workers, two batches more, five samples each, and one batch each that was begun meanwhile.
  CHECK(numbers.started <= 35);
}

TEST_CASE("pipeline: a bug of ours is not taken for a bad sample") {
  Numbers numbers(40);
  numbers.broken = 17;
  MemoryWriter writer;
  Progress quiet;
  CHECK_THROWS_AS(run_pipeline(numbers, all(40), writer, with_threads(2), quiet), std::logic_error);
  CHECK(writer.written.samples() == 15);
}

TEST_CASE("pipeline: a signal stops it between batches") {
  const Numbers numbers(40);
  MemoryWriter writer;
  Progress quiet;
  request_interrupt(15);
  CHECK_THROWS_AS(run_pipeline(numbers, all(40), writer, with_threads(2), quiet), Interrupted);
  request_interrupt(0);
}

TEST_CASE("pipeline: an empty list is a whole output of nothing") {
  MemoryWriter writer;
  Progress quiet;
  const PipelineResult result = run_pipeline(Numbers(0), {}, writer, with_threads(2), quiet);
  CHECK(result.samples == 0);
  CHECK(result.inputs == SetDigest().value());
}

TEST_CASE("pipeline: an estimate scales a few samples to the whole list") {
  const PipelineEstimate estimate = estimate_pipeline(Numbers(3000), all(3000), 2);
  CHECK(estimate.probed == 32);
  // One to three rows a sample.
  CHECK(estimate.rows > 3000);
  CHECK(estimate.rows < 9000);
  CHECK(estimate.bytes > estimate.rows * 20);
  CHECK(estimate_pipeline(Numbers(0), {}, 2).rows == 0);
}
