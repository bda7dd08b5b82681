#include "store/join.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "store/file_reader.h"
#include "store/shard_order.h"
#include "store/shards.h"

namespace mt {

namespace {

// The part of a shard that has been read and not been given.
struct Head {
  Batch batch;
  std::size_t sample = 0, rejected = 0;
  bool ended = false;

  bool has_sample() const { return sample < batch.samples(); }
  bool has_rejected() const { return rejected < batch.rejected.size(); }
  bool empty() const { return !has_sample() && !has_rejected(); }
  bool rejected_first() const {
    return has_rejected() && (!has_sample() || batch.rejected[rejected].index < batch.index[sample]);
  }
  const std::string& id() const { return rejected_first() ? batch.rejected[rejected].id : batch.ids[sample]; }
  std::int64_t index() const {
    if (empty()) return std::numeric_limits<std::int64_t>::max();
    return rejected_first() ? batch.rejected[rejected].index : batch.index[sample];
  }
};

class ShardJoin final : public SampleReader {
 public:
  // superseded: of rejections, where all shards have been walked already.
  ShardJoin(Shards shards, JoinOptions options, std::optional<SetDigest> superseded)
      : shards_(std::move(shards)),
        options_(options),
        heads_(shards_.size()),
        walked_(superseded.has_value()),
        superseded_(superseded.value_or(SetDigest())) {}

  const Schema& schema() const override { return shards_.schema(); }
  std::optional<std::int64_t> samples() const override { return sum(&SampleReader::samples); }
  std::optional<std::int64_t> rows() const override { return sum(&SampleReader::rows); }
  bool seekable() const override { return false; }
  Batch read(std::size_t, std::size_t) override { throw std::logic_error("a join has no random access"); }
  std::vector<std::int64_t> offsets(std::size_t, std::size_t) override {
    throw std::logic_error("a join has no random access");
  }
  std::vector<std::int32_t> labels() override { throw std::logic_error("a join has no random access"); }
  Digest inputs() const override { return shards_.inputs(superseded_); }
  std::optional<Batch> next(std::size_t max_rows, std::size_t max_samples) override;

 private:
  std::optional<std::int64_t> sum(std::optional<std::int64_t> (SampleReader::*count)() const) const;
  void refill(std::size_t shard, std::size_t max_rows, std::size_t max_samples);
  std::vector<std::size_t> first_shards() const;
  std::size_t settle(const std::vector<std::size_t>& shards);
  void follow(std::int64_t index, std::size_t shard);
  bool give(std::size_t shard, Batch& batch, std::size_t max_rows);

  Shards shards_;
  JoinOptions options_;
  std::vector<Head> heads_;
  bool walked_;  // superseded_ is complete
  SetDigest superseded_;
  std::int64_t last_index_ = -1;
  std::size_t last_shard_ = 0;
};

std::optional<std::int64_t> ShardJoin::sum(std::optional<std::int64_t> (SampleReader::*count)() const) const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const std::optional<std::int64_t> one = (shards_.reader(i).*count)();
    if (!one) return std::nullopt;
    total += *one;
  }
  return total;
}

void ShardJoin::refill(std::size_t shard, std::size_t max_rows, std::size_t max_samples) {
  Head& head = heads_[shard];
  if (!head.empty() || head.ended) return;
  // The budget is shared: all heads are in memory at once.
  const auto share = [&](std::size_t budget) { return std::max<std::size_t>(budget / shards_.size(), 1); };
  std::optional<Batch> batch = shards_.reader(shard).next(share(max_rows), share(max_samples));
  head = {};
  head.ended = !batch;
  if (!batch) return;
  shards_.map_labels(shard, *batch);
  head.batch = std::move(*batch);
}

// Those that have the next input of all; none at the end.
std::vector<std::size_t> ShardJoin::first_shards() const {
  std::vector<std::size_t> shards;
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    if (heads_[i].empty()) continue;
    if (!shards.empty() && heads_[i].index() > heads_[shards[0]].index()) continue;
    if (!shards.empty() && heads_[i].index() < heads_[shards[0]].index()) shards.clear();
    shards.push_back(i);
  }
  return shards;
}

// The one of them whose version counts; the others forget theirs.
std::size_t ShardJoin::settle(const std::vector<std::size_t>& shards) {
  if (shards.size() == 1) return shards[0];
  std::vector<Version> versions;
  for (const std::size_t shard : shards)
    versions.push_back({shard, heads_[shard].rejected_first(), heads_[shard].id()});
  const std::size_t best = shards[version_that_counts(versions, heads_[shards[0]].index(), shards_.names())];
  for (const std::size_t shard : shards) {
    if (shard == best) continue;
    Head& head = heads_[shard];
    const Rejected& rejection = head.batch.rejected[head.rejected++];
    if (!walked_) supersede(rejection, superseded_);
  }
  return best;
}

// Each index is one more than the last; streams tell their indexes only here.
void ShardJoin::follow(std::int64_t index, std::size_t shard) {
  const std::string& name = shards_.name(shard);
  if (index == last_index_) {
    throw Error(name, fmt::format("input {} is in {} too", index, shards_.name(last_shard_)), "give each shard once");
  }
  if (index < last_index_)
    throw Error(name, fmt::format("its /index does not ascend: {} follows {}", index, last_index_));
  if (index != last_index_ + 1 && !options_.allow_missing) {
    throw Error(name, fmt::format("inputs {} to {} are in no shard", last_index_ + 1, index - 1),
                "give all shards, or --allow-missing");
  }
  last_index_ = index;
  last_shard_ = shard;
}

// Moves the first item of a shard into the batch; false when it does not fit any more.
bool ShardJoin::give(std::size_t shard, Batch& batch, std::size_t max_rows) {
  Head& head = heads_[shard];
  if (head.rejected_first()) {
    follow(head.index(), shard);
    batch.rejected.push_back(std::move(head.batch.rejected[head.rejected++]));
    return true;
  }
  const std::size_t rows = head.batch.row_end(head.sample) - head.batch.row_begin(head.sample);
  if (batch.samples() > 0 && batch.row_count() + rows > max_rows) return false;
  follow(head.index(), shard);
  batch.append(head.batch, head.sample, head.sample + 1);
  ++head.sample;
  return true;
}

std::optional<Batch> ShardJoin::next(std::size_t max_rows, std::size_t max_samples) {
  constexpr std::size_t kMostRejected = std::size_t{1} << 14;
  Batch batch;
  while (batch.samples() < std::max<std::size_t>(max_samples, 1) && batch.rejected.size() < kMostRejected) {
    for (std::size_t i = 0; i < heads_.size(); ++i) refill(i, max_rows, max_samples);
    const std::vector<std::size_t> shards = first_shards();
    if (shards.empty() || !give(settle(shards), batch, max_rows)) break;
  }
  if (batch.samples() == 0 && batch.rejected.empty()) return std::nullopt;
  return batch;
}

}  // namespace

std::unique_ptr<SampleReader> join_shards(const std::vector<std::string>& names, JoinOptions options) {
  Shards shards(names);
  std::optional<SetDigest> superseded;
  if (const auto files = shards.files(); !files.empty()) superseded = check_order(files, names, options.allow_missing);
  return std::make_unique<ShardJoin>(std::move(shards), options, superseded);
}

}  // namespace mt
