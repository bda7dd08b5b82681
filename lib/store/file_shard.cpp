#include "store/file_shard.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

// Reading so many bytes of others costs less than beginning to read anew.
constexpr std::size_t kReadThrough = std::size_t{1} << 15;
constexpr std::size_t kLargestRun = std::size_t{64} << 20;  // bytes that are read at once, others' included

// The shares are differences of neighbours in a chain that begins at nothing and ends at the whole, so that they add up
// to it.
Digest share_of(const Digest& whole, std::size_t shard, std::size_t shards) {
  if (whole == Digest{}) return whole;
  const auto link = [&](std::size_t i) {
    if (i == 0) return Digest{};
    return i == shards ? whole : sha256(fmt::format("{} {}/{}", hex(whole), i, shards));
  };
  SetDigest share = SetDigest::from(link(shard + 1));
  share.remove(SetDigest::from(link(shard)));
  return share.value();
}

FileReader& file_of(SampleReader& reader) {
  auto* file = dynamic_cast<FileReader*>(&reader);
  if (file == nullptr) {
    throw Error(reader.name(), "is a stream, which only one can read", "give --shard to the program that writes it");
  }
  return *file;
}

}  // namespace

FileShard::FileShard(std::unique_ptr<SampleReader> whole, std::size_t shard, std::size_t shards)
    : whole_(std::move(whole)),
      file_(file_of(*whole_)),
      shard_(shard),
      shards_(shards),
      share_(share_of(file_.inputs(), shard, shards)) {
  IndexWalk walk(file_.file(), file_.name());
  for (skip_others(walk); walk.current(); walk.advance(), skip_others(walk)) {
    if (walk.current()->rejected) continue;
    ++samples_;
    const Extent extent = extent_of(walk.current()->position);
    rows_ += extent.end - extent.begin;
  }
  walk_.emplace(file_.file(), file_.name());
  skip_others(*walk_);
}

void FileShard::skip_others(IndexWalk& walk) const {
  while (walk.current() && static_cast<std::uint64_t>(walk.current()->index) % shards_ != shard_) walk.advance();
}

FileShard::Extent FileShard::extent_of(std::size_t sample) {
  return {sample, row_offsets_.begin(sample), row_offsets_.end(sample)};
}

// Neighbours are read as one where little lies between them.
Batch FileShard::read_samples(const std::vector<Extent>& wanted) const {
  const std::size_t row_bytes = schema().width * size_of(schema().dtype);
  Batch batch;
  for (std::size_t i = 0; i < wanted.size();) {
    const Extent& first = wanted[i];
    std::size_t end = i + 1;
    while (end < wanted.size() && (wanted[end].begin - wanted[end - 1].end) * row_bytes <= kReadThrough &&
           (wanted[end].end - first.begin) * row_bytes <= kLargestRun)
      ++end;
    const Batch run = file_.read(first.sample, wanted[end - 1].sample + 1);
    for (const std::size_t before = first.sample; i < end; ++i)
      batch.append(run, wanted[i].sample - before, wanted[i].sample - before + 1);
  }
  return batch;
}

std::optional<Batch> FileShard::next(std::size_t max_rows, std::size_t max_samples) {
  max_rows = std::min<std::uint64_t>(max_rows, FileReader::kLargestBatch / (schema().width * size_of(schema().dtype)));
  std::vector<Extent> wanted;
  std::vector<Rejected> rejected;
  std::size_t rows = 0;
  for (; walk_->current(); walk_->advance(), skip_others(*walk_)) {
    if (walk_->current()->rejected) {
      if (rejected.size() == FileReader::kRejectedAtOnce) break;
      rejected.push_back(walk_->rejection());
      continue;
    }
    const Extent extent = extent_of(walk_->current()->position);
    if (!wanted.empty() && (wanted.size() >= max_samples || rows + extent.end - extent.begin > max_rows)) break;
    wanted.push_back(extent);
    rows += extent.end - extent.begin;
  }
  if (wanted.empty() && rejected.empty()) return std::nullopt;
  Batch batch = read_samples(wanted);
  batch.rejected = std::move(rejected);
  return batch;
}

Batch FileShard::read(std::size_t, std::size_t) { throw std::logic_error("a shard has no random access"); }
std::vector<std::int64_t> FileShard::offsets(std::size_t, std::size_t) {
  throw std::logic_error("a shard has no random access");
}
std::vector<std::int32_t> FileShard::labels() { throw std::logic_error("a shard has no random access"); }

}  // namespace mt
