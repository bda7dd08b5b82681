#include "store/shard_order.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <set>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

constexpr std::size_t kBlock = std::size_t{1} << 14;
constexpr std::size_t kNamed = 1000;  // so many missing indexes are looked at to tell which shards they were

// What the walk over all shards has seen.
struct Gaps {
  std::vector<std::int64_t> first;  // the first kNamed missing indexes
  std::uint64_t count = 0;
  void add(std::int64_t begin, std::int64_t end) {
    count += static_cast<std::uint64_t>(end - begin);
    for (std::int64_t i = begin; i < end && first.size() < kNamed; ++i) first.push_back(i);
  }
};

// The distance between neighbouring indexes within shards: the number of shards, when each took every N-th input.
struct Stride {
  std::int64_t divisor = 0;
  std::set<std::int64_t> starts;
};

std::string list_of(const std::vector<std::int64_t>& numbers) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(numbers.size(), kShown); ++i)
    text += fmt::format("{}{}", i > 0 ? ", " : "", numbers[i]);
  if (numbers.size() > kShown) text += fmt::format(" and {} more", numbers.size() - kShown);
  return text;
}

// The shards that would hold all of the missing indexes; empty when that is not how the gaps lie.
std::vector<std::int64_t> missing_shards(const Gaps& gaps, const Stride& stride, std::size_t given) {
  if (stride.divisor < 2 || static_cast<std::uint64_t>(stride.divisor) < given + 1) return {};
  std::set<std::int64_t> present, missing;
  for (const std::int64_t start : stride.starts) present.insert(start % stride.divisor);
  for (const std::int64_t index : gaps.first) {
    if (present.contains(index % stride.divisor)) return {};
    missing.insert(index % stride.divisor);
  }
  return {missing.begin(), missing.end()};
}

[[noreturn]] void report(const Gaps& gaps, const Stride& stride, std::size_t given) {
  const std::string_view remedy = "give all shards, or --allow-missing";
  if (const auto shards = missing_shards(gaps, stride, given); !shards.empty()) {
    throw Error("",
                fmt::format("{} {} of {} {} missing", shards.size() == 1 ? "shard" : "shards", list_of(shards),
                            stride.divisor, shards.size() == 1 ? "is" : "are"),
                remedy);
  }
  throw Error("", fmt::format("{} inputs are missing: index {}", gaps.count, list_of(gaps.first)), remedy);
}

}  // namespace

IndexWalk::IndexWalk(const SampleFile& file, std::string name) : file_(&file), name_(std::move(name)) { advance(); }

void IndexWalk::advance() {
  const std::int64_t last = current_ ? current_->index : -1;  // indexes are 0 or more
  if (sample_ == samples_begin_ + samples_.size() && sample_ < file_->samples()) {
    samples_begin_ = sample_;
    samples_ = file_->index(sample_, std::min(file_->samples(), sample_ + kBlock));
  }
  if (reject_ == rejected_begin_ + rejected_.size() && reject_ < file_->rejected_count()) {
    rejected_begin_ = reject_;
    rejected_ = file_->rejected(reject_, std::min(file_->rejected_count(), reject_ + kBlock));
  }
  const bool sample = sample_ < file_->samples(), reject = reject_ < file_->rejected_count();
  if (!sample && !reject) {
    current_.reset();
    return;
  }
  Step step;
  step.rejected =
      !sample || (reject && rejected_[reject_ - rejected_begin_].index < samples_[sample_ - samples_begin_]);
  step.position = step.rejected ? reject_ : sample_;
  step.index = step.rejected ? rejected_[reject_++ - rejected_begin_].index : samples_[sample_++ - samples_begin_];
  if (step.index <= last) {
    throw Error(name_, step.index == last ? fmt::format("holds input {} twice", last)
                                          : fmt::format("its /index does not ascend: {} follows {}", step.index, last));
  }
  current_ = step;
}

std::string IndexWalk::id() const {
  if (current_->rejected) return rejection().id;
  return file_->ids(current_->position, current_->position + 1).at(0);
}

const Rejected& IndexWalk::rejection() const { return rejected_[current_->position - rejected_begin_]; }

void supersede(const Rejected& rejection, SetDigest& superseded) {
  if (rejection.content != Digest{}) superseded.add(rejection.id, rejection.content);
}

std::size_t version_that_counts(const std::vector<Version>& versions, std::int64_t index,
                                const std::vector<std::string>& names) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < versions.size(); ++i) {
    const Version &first = versions[0], &other = versions[i], &leading = versions[best];
    if (other.id != first.id) {
      throw Error(names[other.shard],
                  fmt::format("input {} is \"{}\", in {} it is \"{}\"", index, other.id, names[first.shard], first.id),
                  "give shards of one list of inputs");
    }
    if (!other.rejected && !leading.rejected) {
      throw Error(names[other.shard], fmt::format("input {} is in {} too", index, names[leading.shard]),
                  "give each shard once");
    }
    if (leading.rejected) best = i;
  }
  return best;
}

namespace {

// The walks of all shards, merged by index.
class Merge {
 public:
  Merge(const std::vector<const SampleFile*>& files, const std::vector<std::string>& names) : names_(names) {
    for (std::size_t i = 0; i < files.size(); ++i) walks_.emplace_back(*files[i], names[i]);
    for (std::size_t i = 0; i < files.size(); ++i) push(i);
  }

  const IndexWalk& walk(std::size_t shard) const { return walks_[shard]; }

  // The shards that have the next input, in their order; empty at the end.
  std::vector<std::size_t> next() {
    std::vector<std::size_t> shards;
    while (!heads_.empty() && (shards.empty() || heads_.top().first == index_)) {
      index_ = heads_.top().first;
      shards.push_back(heads_.top().second);
      heads_.pop();
    }
    return shards;
  }
  std::int64_t index() const { return index_; }

  // The one of them that counts; the others' part of mt_inputs goes to superseded.
  std::size_t settle(const std::vector<std::size_t>& shards, SetDigest& superseded) const {
    if (shards.size() == 1) return shards[0];
    std::vector<Version> versions;
    for (const std::size_t shard : shards)
      versions.push_back({shard, walks_[shard].current()->rejected, walks_[shard].id()});
    const std::size_t best = shards[version_that_counts(versions, index_, names_)];
    for (const std::size_t shard : shards) {
      if (shard != best) supersede(walks_[shard].rejection(), superseded);
    }
    return best;
  }

  void advance(std::size_t shard) {
    walks_[shard].advance();
    push(shard);
  }

 private:
  void push(std::size_t shard) {
    if (walks_[shard].current()) heads_.emplace(walks_[shard].current()->index, shard);
  }

  using Head = std::pair<std::int64_t, std::size_t>;
  const std::vector<std::string>& names_;
  std::vector<IndexWalk> walks_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;
  std::int64_t index_ = -1;
};

}  // namespace

SetDigest check_order(const std::vector<const SampleFile*>& files, const std::vector<std::string>& names,
                      bool allow_missing, Order* order) {
  Merge merge(files, names);
  Gaps gaps;
  Stride stride;
  SetDigest superseded;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (merge.walk(i).current()) stride.starts.insert(merge.walk(i).current()->index);
  }
  std::int64_t expected = 0;
  for (auto shards = merge.next(); !shards.empty(); shards = merge.next()) {
    if (merge.index() > expected) gaps.add(expected, merge.index());
    expected = merge.index() + 1;
    const std::size_t best = merge.settle(shards, superseded);
    if (order != nullptr) {
      const IndexWalk::Step& step = *merge.walk(best).current();
      (step.rejected ? order->rejected : order->samples).push_back({static_cast<std::uint32_t>(best), step.position});
    }
    for (const std::size_t shard : shards) {
      const std::int64_t index = merge.index();
      merge.advance(shard);
      if (const auto& step = merge.walk(shard).current())
        stride.divisor = std::gcd(stride.divisor, step->index - index);
    }
  }
  if (gaps.count > 0 && !allow_missing) report(gaps, stride, files.size());
  return superseded;
}

}  // namespace mt
