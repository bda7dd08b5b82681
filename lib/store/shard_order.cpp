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
    rejected_.clear();
    for (const Rejected& one : file_->rejected(reject_, std::min(file_->rejected_count(), reject_ + kBlock))) {
      rejected_.push_back(one.index);
    }
  }
  const bool sample = sample_ < file_->samples(), reject = reject_ < file_->rejected_count();
  if (!sample && !reject) {
    current_.reset();
    return;
  }
  Step step;
  step.rejected = !sample || (reject && rejected_[reject_ - rejected_begin_] < samples_[sample_ - samples_begin_]);
  step.position = step.rejected ? reject_ : sample_;
  step.index = step.rejected ? rejected_[reject_++ - rejected_begin_] : samples_[sample_++ - samples_begin_];
  if (step.index <= last) {
    throw Error(name_, step.index == last ? fmt::format("holds input {} twice", last)
                                          : fmt::format("its /index does not ascend: {} follows {}", step.index, last));
  }
  current_ = step;
}

void check_order(const std::vector<const SampleFile*>& files, const std::vector<std::string>& names, bool allow_missing,
                 std::vector<Placed>* order) {
  std::vector<IndexWalk> walks;
  Gaps gaps;
  Stride stride;
  using Head = std::pair<std::int64_t, std::size_t>;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  for (std::size_t i = 0; i < files.size(); ++i) {
    walks.emplace_back(*files[i], names[i]);
    if (!walks[i].current()) continue;
    heads.emplace(walks[i].current()->index, i);
    stride.starts.insert(walks[i].current()->index);
  }
  std::optional<Head> before;
  while (!heads.empty()) {
    const Head head = heads.top();
    heads.pop();
    if (before && before->first == head.first) {
      throw Error(names[head.second], fmt::format("input {} is in {} too", head.first, names[before->second]),
                  "give each shard once");
    }
    const std::int64_t expected = before ? before->first + 1 : 0;
    if (head.first > expected) gaps.add(expected, head.first);
    IndexWalk& walk = walks[head.second];
    if (order != nullptr && !walk.current()->rejected) {
      order->push_back({static_cast<std::uint32_t>(head.second), walk.current()->position});
    }
    before = head;
    walk.advance();
    if (!walk.current()) continue;
    stride.divisor = std::gcd(stride.divisor, walk.current()->index - head.first);
    heads.emplace(walk.current()->index, head.second);
  }
  if (gaps.count > 0 && !allow_missing) report(gaps, stride, files.size());
}

}  // namespace mt
