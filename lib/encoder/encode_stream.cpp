#include "encoder/encode_stream.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/threads.h"

namespace mt {

namespace {

constexpr std::size_t kMostSamples = 1 << 16;  // of one batch, when sequences are very short

// Rows of each sample without the first `prefix`: how centers and labels of tokens follow their tokens.
template <class Keep>
void for_each_kept_run(const std::vector<std::int64_t>& offsets, std::size_t prefix, const Keep& keep) {
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    const auto begin = static_cast<std::size_t>(offsets[i]), end = static_cast<std::size_t>(offsets[i + 1]);
    keep(std::min(begin + prefix, end), end);
  }
}

Tensor rows_without_prefix(const Tensor& rows, const std::vector<std::int64_t>& offsets, std::size_t prefix) {
  if (rows.empty()) return rows;
  Shape shape = rows.shape();
  shape[0] = 0;
  for_each_kept_run(offsets, prefix, [&](std::size_t begin, std::size_t end) { shape[0] += end - begin; });
  Tensor kept(rows.dtype(), shape);
  const std::size_t row_bytes = rows.columns() * size_of(rows.dtype());
  std::byte* target = kept.mutable_data();
  for_each_kept_run(offsets, prefix, [&](std::size_t begin, std::size_t end) {
    target = std::copy_n(rows.data() + begin * row_bytes, (end - begin) * row_bytes, target);
  });
  return kept;
}

std::vector<std::int32_t> labels_without_prefix(const std::vector<std::int32_t>& labels,
                                                const std::vector<std::int64_t>& offsets, std::size_t prefix) {
  std::vector<std::int32_t> kept;
  if (labels.empty()) return kept;
  for_each_kept_run(offsets, prefix, [&](std::size_t begin, std::size_t end) {
    kept.insert(kept.end(), labels.begin() + static_cast<std::ptrdiff_t>(begin),
                labels.begin() + static_cast<std::ptrdiff_t>(end));
  });
  return kept;
}

// The samples that failed leave the batch and join its rejected inputs, in the order of the input list.
Batch without_failed(Batch batch, const std::vector<FailedSample>& failed) {
  if (failed.empty()) return batch;
  Batch kept = batch.slice(0, 0);
  std::size_t next = 0;
  for (const FailedSample& f : failed) {
    kept.append(batch.slice(next, f.sample));
    next = f.sample + 1;
  }
  kept.append(batch.slice(next, batch.samples()));
  kept.rejected = std::move(batch.rejected);
  for (const FailedSample& f : failed) kept.rejected.push_back({batch.ids[f.sample], batch.index[f.sample], f.reason});
  std::stable_sort(kept.rejected.begin(), kept.rejected.end(),
                   [](const Rejected& a, const Rejected& b) { return a.index < b.index; });
  return kept;
}

// After a resume: what is sealed already leaves the batch.
Batch after_index(Batch batch, std::int64_t last) {
  const auto done = std::upper_bound(batch.index.begin(), batch.index.end(), last) - batch.index.begin();
  std::vector<Rejected> rejected;
  for (Rejected& r : batch.rejected) {
    if (r.index > last) rejected.push_back(std::move(r));
  }
  Batch rest = done == 0 ? std::move(batch) : batch.slice(static_cast<std::size_t>(done), batch.samples());
  rest.rejected = std::move(rejected);
  return rest;
}

void require_equal(const SampleReader& one, const SampleReader& another) {
  const Schema &first = one.schema(), &other = another.schema();
  const bool equal = first.width == other.width && first.prefix == other.prefix && first.positions == other.positions &&
                     first.modality == other.modality && first.label_names == other.label_names &&
                     first.number_names == other.number_names && first.number_width == other.number_width &&
                     first.source == other.source && first.config == other.config;
  if (!equal) {
    throw Error(printable(another.name()), fmt::format("was not made like {}", printable(one.name())),
                "join them with mt-cat, or encode them one by one");
  }
}

}  // namespace

void require_tokens(std::span<const std::unique_ptr<SampleReader>> readers, std::size_t width) {
  const Schema& tokens = readers.front()->schema();
  for (const auto& reader : readers) {
    if (reader->schema().kind != Kind::tokens) {
      throw Error(printable(reader->name()), fmt::format("holds {}, not tokens", name_of(reader->schema().kind)));
    }
    require_equal(*readers.front(), *reader);
  }
  if (tokens.width != width) {
    throw Error(printable(readers.front()->name()),
                fmt::format("/tokens is {} wide, the encoder takes {}", tokens.width, width),
                fmt::format("use a {}-wide --model", tokens.width));
  }
}

Schema features_schema(std::span<const std::unique_ptr<SampleReader>> readers, const Encoder& encoder,
                       const StreamOptions& options) {
  require_tokens(readers, encoder.architecture().width);
  const Schema& tokens = readers.front()->schema();
  const bool per_token = options.encode.pooling == Pooling::tokens;
  Schema features = tokens;
  features.kind = Kind::features;
  if (per_token && tokens.number_width > 0) {
    throw Error(
        "--pool tokens",
        fmt::format("{} numbers of each sample go round the encoder, to its pooled feature", tokens.number_width),
        "use --pool mean");
  }
  features.width = encoder.feature_width(options.encode) + tokens.number_width;
  features.number_width = 0;
  features.number_names.clear();
  features.dtype = DType::f32;
  features.ragged = per_token;
  features.code_width = 0;
  features.has_centers = tokens.has_centers && per_token;
  features.has_token_labels = tokens.has_token_labels && per_token;
  features.prefix = 0;
  return features;
}

Batch encode_batch(Batch batch, Encoder& encoder, const StreamOptions& options) {
  const std::size_t added = options.additions.cls ? 1 : 0, own_prefix = options.encode.prefix - added;
  batch.codes = Tensor();
  if (options.encode.pooling == Pooling::tokens) {
    batch.centers = rows_without_prefix(batch.centers, batch.offsets, own_prefix);
    batch.token_labels = labels_without_prefix(batch.token_labels, batch.offsets, own_prefix);
  } else {
    batch.centers = Tensor();
    batch.token_labels.clear();
  }
  if (batch.samples() == 0) {
    const std::size_t numbers = batch.numbers.shape().size() == 2 ? batch.numbers.columns() : 0;
    batch.rows = Tensor(DType::f32, {0, encoder.feature_width(options.encode) + numbers});
    batch.numbers = Tensor();
    if (options.encode.pooling == Pooling::tokens)
      batch.offsets.assign(1, 0);
    else
      batch.offsets.clear();
    return batch;
  }
  Tensor tokens = batch.rows.dtype() == DType::f32 ? std::move(batch.rows) : batch.rows.to(DType::f32);
  std::vector<std::int64_t> offsets = std::move(batch.offsets);
  if (options.additions.any()) add_to_tokens(options.additions, tokens, offsets);
  std::vector<FailedSample> failed;
  batch.rows = beside(encoder.encode(tokens, offsets, options.encode, &failed), batch.numbers);
  batch.numbers = Tensor();
  batch.offsets.clear();
  if (options.encode.pooling == Pooling::tokens) {
    batch.offsets.push_back(0);
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      const std::int64_t length = offsets[i + 1] - offsets[i];
      batch.offsets.push_back(batch.offsets.back() +
                              std::max<std::int64_t>(0, length - static_cast<std::int64_t>(options.encode.prefix)));
    }
  }
  return without_failed(std::move(batch), failed);
}

namespace {

// The three steps and what went wrong in each. Where the encoder takes several batches at once, each worker computes
// one, and they hand theirs on in the order in which they took them.
class Pipeline {
 public:
  Pipeline(Encoder& encoder, const StreamOptions& options, SampleWriter& writer, Progress& progress)
      : encoder_(encoder), options_(options), writer_(writer), progress_(progress) {}

  StreamReport run(std::span<const std::unique_ptr<SampleReader>> readers) {
    std::vector<std::thread> computing;
    for (std::size_t i = 0; i < encoder_.concurrency(); ++i) computing.emplace_back([this] { compute(); });
    std::thread writing([this] { write(); });
    try {
      read(readers);
    } catch (...) {
      read_failure_ = std::current_exception();
    }
    incoming_.close();
    for (std::thread& worker : computing) worker.join();
    outgoing_.close();
    writing.join();
    for (const std::exception_ptr& failure : {read_failure_, compute_failure_, write_failure_}) {
      if (failure) std::rethrow_exception(failure);
    }
    return report_;
  }

 private:
  void read(std::span<const std::unique_ptr<SampleReader>> readers) {
    const std::int64_t done = writer_.last_index();
    std::int64_t last = -1;
    for (const auto& reader : readers) {
      while (auto batch = reader->next(options_.budget, kMostSamples)) {
        if (done >= 0) {
          if (!batch->index.empty() && batch->index.front() <= last) {
            throw Error("--resume", "the files are not in the order of /index", "join them with mt-cat first");
          }
          if (!batch->index.empty()) last = batch->index.back();
          batch = after_index(std::move(*batch), done);
          if (batch->samples() == 0 && batch->rejected.empty()) continue;
        }
        if (!incoming_.push(std::move(*batch))) return;
      }
    }
  }

  struct Taken {
    std::size_t number = 0;  // counted from the first batch
    Batch tokens;
  };
  std::optional<Taken> take() {
    const std::lock_guard lock(taking_);
    auto batch = incoming_.pop();
    if (!batch || stopped_) return std::nullopt;
    return Taken{taken_++, std::move(*batch)};
  }

  void compute() {
    while (auto taken = take()) {
      const std::size_t number = taken->number;
      try {
        compute(std::move(*taken));
      } catch (...) {
        const auto failure = std::current_exception();
        in_turn(number, [&] {
          compute_failure_ = failure;
          stopped_ = true;
        });
        incoming_.close();
      }
    }
  }

  void compute(Taken taken) {
    const std::size_t given = taken.tokens.samples(), rows = taken.tokens.row_count();
    const std::vector<Rejected> upstream = taken.tokens.rejected;
    const auto start = std::chrono::steady_clock::now();
    Batch features = encode_batch(std::move(taken.tokens), encoder_, options_);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    in_turn(taken.number, [&] {
      name_failures(features.rejected, upstream);
      const auto kept = static_cast<std::int64_t>(features.samples());
      if (!outgoing_.push(std::move(features))) {
        stopped_ = true;
        incoming_.close();
        return;
      }
      report_.computing_seconds += seconds;
      report_.samples += kept;
      report_.rejected += static_cast<std::int64_t>(given) - kept;
      report_.tokens += static_cast<std::int64_t>(rows);
      progress_.advance(kept, static_cast<std::int64_t>(given) - kept);
    });
  }

  // Calls hand_on when all batches before have been handed on, unless one of them failed: what comes behind a failure
  // is dropped. A batch whose hand_on throws keeps its turn.
  template <class HandOn>
  void in_turn(std::size_t number, const HandOn& hand_on) {
    std::unique_lock lock(turns_);
    turn_came_.wait(lock, [&] { return turn_ == number; });
    if (!stopped_) hand_on();
    ++turn_;
    turn_came_.notify_all();
  }

  // Names the samples that the encoder rejected; upstream's were named there.
  void name_failures(const std::vector<Rejected>& rejected, const std::vector<Rejected>& upstream) const {
    if (rejected.size() == upstream.size()) return;
    for (const Rejected& r : rejected) {
      if (std::find(upstream.begin(), upstream.end(), r) != upstream.end()) continue;
      if (options_.strict) throw Error(printable(r.id), r.reason, "without --strict it is left out");
      progress_.warn(fmt::format("{}: {} (left out)", r.id, r.reason));
    }
  }

  void write() {
    try {
      while (auto features = outgoing_.pop()) writer_.write(*features);
    } catch (...) {
      write_failure_ = std::current_exception();
      outgoing_.close();
    }
  }

  Encoder& encoder_;
  const StreamOptions& options_;
  SampleWriter& writer_;
  Progress& progress_;
  BoundedQueue<Batch> incoming_{1}, outgoing_{1};
  std::mutex taking_, turns_;
  std::condition_variable turn_came_;
  std::size_t taken_ = 0, turn_ = 0;
  std::atomic<bool> stopped_ = false;  // a batch failed, or nobody takes any more
  std::exception_ptr read_failure_, compute_failure_, write_failure_;
  StreamReport report_;
};

}  // namespace

StreamReport encode_stream(std::span<const std::unique_ptr<SampleReader>> readers, Encoder& encoder,
                           const StreamOptions& options, SampleWriter& writer, Progress& progress) {
  return Pipeline(encoder, options, writer, progress).run(readers);
}

}  // namespace mt
