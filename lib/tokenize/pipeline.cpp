#include "tokenize/pipeline.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/threads.h"

namespace mt {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Digest digest_or_unreadable(const SampleMaker& maker, std::size_t i) {
  try {
    return maker.digest(i);
  } catch (const Error&) {
    return sha256(std::string_view("unreadable"));
  }
}

// Takes back what a sample that failed half-way had appended.
class Rollback {
 public:
  explicit Rollback(const Batch& batch)
      : rows_(batch.rows.rows()),
        codes_(batch.codes.rows()),
        centers_(batch.centers.rows()),
        targets_(batch.targets.rows()),
        numbers_(batch.numbers.rows()),
        grid_(batch.grid.rows()),
        boxes_(batch.boxes.rows()),
        token_labels_(batch.token_labels.size()),
        box_offsets_(batch.box_offsets.size()) {}

  void restore(Batch& batch) const {
    batch.rows.resize_rows(rows_);
    batch.codes.resize_rows(codes_);
    batch.centers.resize_rows(centers_);
    batch.targets.resize_rows(targets_);
    batch.numbers.resize_rows(numbers_);
    batch.grid.resize_rows(grid_);
    batch.boxes.resize_rows(boxes_);
    batch.token_labels.resize(token_labels_);
    batch.box_offsets.resize(box_offsets_);
  }

 private:
  std::size_t rows_, codes_, centers_, targets_, numbers_, grid_, boxes_, token_labels_, box_offsets_;
};

struct Made {
  Batch batch;
  SetDigest inputs;
  double making = 0, finishing = 0;
};

Made make_batch(const SampleMaker& maker, std::span<const std::size_t> positions) {
  Made made{maker.empty_batch(), {}};
  Batch& batch = made.batch;
  const Clock::time_point start = Clock::now();
  batch.offsets = {0};
  for (const std::size_t i : positions) {
    const Rollback rollback(batch);
    const std::string id = maker.id(i);
    try {
      made.inputs.add(id, maker.make(i, batch));
    } catch (const Error& error) {
      rollback.restore(batch);
      const std::string remedy = error.remedy().empty() ? "" : " (" + error.remedy() + ")";
      const Digest content = digest_or_unreadable(maker, i);
      batch.rejected.push_back({id, static_cast<std::int64_t>(i), error.why() + remedy, content});
      made.inputs.add(id, content);
      continue;
    }
    batch.ids.push_back(id);
    batch.index.push_back(static_cast<std::int64_t>(i));
    if (maker.has_labels()) batch.labels.push_back(maker.label(i));
    batch.offsets.push_back(static_cast<std::int64_t>(batch.rows.rows()));
  }
  made.making = seconds_since(start);
  const Clock::time_point made_at = Clock::now();
  if (batch.samples() > 0) maker.finish(batch);
  made.finishing = seconds_since(made_at);
  return made;
}

// Workers that make batches out of order, and one consumer that takes them in order. No worker is more than a few
// batches ahead of the consumer.
class OrderedBatches {
 public:
  OrderedBatches(const SampleMaker& maker, std::span<const std::size_t> positions, const PipelineOptions& options)
      : maker_(maker),
        positions_(positions),
        batch_samples_(std::max<std::size_t>(1, options.batch_samples)),
        count_((positions.size() + batch_samples_ - 1) / batch_samples_) {
    const std::size_t workers = std::clamp<std::size_t>(options.threads, 1, std::max<std::size_t>(1, count_));
    ahead_ = workers + 2;
    for (std::size_t i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
  }

  ~OrderedBatches() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    may_take_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  OrderedBatches(const OrderedBatches&) = delete;
  OrderedBatches& operator=(const OrderedBatches&) = delete;

  // The next batch in order, nullopt behind the last. Rethrows what a worker threw when its turn has come.
  std::optional<Made> next() {
    throw_if_interrupted();
    if (taken_ == count_) return std::nullopt;
    std::unique_lock lock(mutex_);
    while (!done_.contains(taken_)) {
      // A signal does not wake a condition variable.
      is_done_.wait_for(lock, std::chrono::milliseconds(50));
      throw_if_interrupted();
    }
    Outcome outcome = std::move(done_.extract(taken_).mapped());
    if (outcome.failure) std::rethrow_exception(outcome.failure);
    ++taken_;
    may_take_.notify_all();
    return std::move(outcome.made);
  }

 private:
  struct Outcome {
    Made made;
    std::exception_ptr failure;
  };

  void work() {
    for (;;) {
      std::size_t number = 0;
      {
        std::unique_lock lock(mutex_);
        may_take_.wait(lock, [&] { return stopped_ || started_ == count_ || started_ < taken_ + ahead_; });
        if (stopped_ || started_ == count_) return;
        number = started_++;
      }
      const std::size_t begin = number * batch_samples_;
      Outcome outcome;
      try {
        outcome.made =
            make_batch(maker_, positions_.subspan(begin, std::min(batch_samples_, positions_.size() - begin)));
      } catch (...) {
        outcome.failure = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      done_.emplace(number, std::move(outcome));
      is_done_.notify_one();
    }
  }

  const SampleMaker& maker_;
  std::span<const std::size_t> positions_;
  std::size_t batch_samples_, count_, ahead_ = 0;
  std::mutex mutex_;
  std::condition_variable may_take_, is_done_;
  std::size_t started_ = 0, taken_ = 0;
  bool stopped_ = false;
  std::map<std::size_t, Outcome> done_;
  std::vector<std::thread> threads_;
};

SetDigest set_digest(const SampleMaker& maker, std::span<const std::size_t> positions, std::size_t threads) {
  ThreadPool pool(threads);
  std::vector<SetDigest> sums(pool.size());
  pool.parallel_for(positions.size(), [&](std::size_t item, std::size_t worker) {
    throw_if_interrupted();
    sums[worker].add(maker.id(positions[item]), digest_or_unreadable(maker, positions[item]));
  });
  SetDigest total;
  for (const SetDigest& sum : sums) total.add(sum);
  return total;
}

}  // namespace

PipelineResult run_pipeline(const SampleMaker& maker, std::span<const std::size_t> positions, SampleWriter& writer,
                            const PipelineOptions& options, Progress& progress) {
  const auto todo = std::partition_point(positions.begin(), positions.end(), [&](std::size_t i) {
    return static_cast<std::int64_t>(i) <= writer.last_index();
  });
  const std::span<const std::size_t> done(positions.begin(), todo), rest(todo, positions.end());
  progress.total(static_cast<std::int64_t>(positions.size()));
  PipelineResult result;
  SetDigest inputs;
  if (!done.empty()) {
    progress.note(fmt::format("going on behind {} inputs that are in the output already", done.size()));
    inputs = SetDigest::from(writer.resumed_inputs());
    result.resumed_samples = writer.resumed_samples();
    result.resumed_rejected = static_cast<std::int64_t>(done.size()) - result.resumed_samples;
    progress.advance(result.resumed_samples, result.resumed_rejected);
  }
  OrderedBatches batches(maker, rest, options);
  for (;;) {
    const Clock::time_point start = Clock::now();
    const std::optional<Made> made = batches.next();
    result.waiting += seconds_since(start);
    if (!made) break;
    const Batch& batch = made->batch;
    for (const Rejected& rejected : batch.rejected) {
      if (options.strict) throw Error(rejected.id, rejected.reason);
      progress.warn(fmt::format("{}: {} (skipped; --strict stops here)", rejected.id, rejected.reason));
    }
    const Clock::time_point ready = Clock::now();
    inputs.add(made->inputs);
    writer.remember_inputs(inputs.value());
    writer.write(batch);
    result.writing += seconds_since(ready);
    result.making += made->making;
    result.finishing += made->finishing;
    result.samples += static_cast<std::int64_t>(batch.samples());
    result.rejected += static_cast<std::int64_t>(batch.rejected.size());
    result.rows += static_cast<std::int64_t>(batch.rows.rows());
    progress.advance(static_cast<std::int64_t>(batch.samples()), static_cast<std::int64_t>(batch.rejected.size()));
  }
  result.inputs = inputs.value();
  return result;
}

Digest inputs_digest(const SampleMaker& maker, std::span<const std::size_t> positions, std::size_t threads) {
  return set_digest(maker, positions, threads).value();
}

PipelineEstimate estimate_pipeline(const SampleMaker& maker, std::span<const std::size_t> positions,
                                   std::size_t threads) {
  constexpr std::size_t kProbes = 32;
  constexpr double kEnoughSeconds = 2.0;
  PipelineEstimate estimate;
  if (positions.empty()) return estimate;
  // Evenly spread over the list, which may be sorted by class or by size.
  const std::size_t probes = std::min(kProbes, positions.size());
  ThreadPool pool(threads);
  const Clock::time_point start = Clock::now();
  std::size_t bytes = 0, rows = 0;
  for (std::size_t begin = 0; begin < probes && seconds_since(start) < kEnoughSeconds; begin += pool.size()) {
    throw_if_interrupted();
    std::vector<Made> made(std::min(pool.size(), probes - begin));
    pool.parallel_for(made.size(), [&](std::size_t item, std::size_t) {
      const std::size_t position = (begin + item) * positions.size() / probes;
      made[item] = make_batch(maker, positions.subspan(position, 1));
    });
    for (const Made& one : made) {
      rows += one.batch.rows.rows();
      bytes += one.batch.bytes();
      estimate.rejected += static_cast<std::int64_t>(one.batch.rejected.size());
    }
    estimate.probed += static_cast<std::int64_t>(made.size());
  }
  const double scale = static_cast<double>(positions.size()) / static_cast<double>(estimate.probed);
  estimate.seconds = seconds_since(start) * scale;
  estimate.rows = static_cast<double>(rows) * scale;
  estimate.bytes = static_cast<double>(bytes) * scale;
  return estimate;
}

}  // namespace mt
