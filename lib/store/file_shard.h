// One shard of a file of samples, read where it stands.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "store/file_reader.h"
#include "store/row_offsets.h"
#include "store/sample_reader.h"
#include "store/shard_order.h"

namespace mt {

// Inputs whose /index leaves the remainder `shard` when it is divided by `shards`: those that mt-tokenize --shard takes
// of the list. join_shards puts what was made of them together again.
class FileShard final : public SampleReader {
 public:
  // Walks through /index and /offsets once. Throws Error when the indexes do not ascend, and for a stream.
  FileShard(std::unique_ptr<SampleReader> whole, std::size_t shard, std::size_t shards);

  const Schema& schema() const override { return file_.schema(); }
  std::optional<std::int64_t> samples() const override { return static_cast<std::int64_t>(samples_); }
  std::optional<std::int64_t> rows() const override { return static_cast<std::int64_t>(rows_); }
  std::optional<Batch> next(std::size_t max_rows, std::size_t max_samples) override;
  bool seekable() const override { return false; }
  Batch read(std::size_t begin, std::size_t end) override;
  std::vector<std::int64_t> offsets(std::size_t begin, std::size_t end) override;
  std::vector<std::int32_t> labels() override;
  // The file's mt_inputs counts the contents of all inputs, which is not told apart any more. Each shard has a share of
  // it, such that the shares of all shards add up to it; zeros when the file does not know its own.
  Digest inputs() const override { return share_; }

 private:
  // A sample's position in the file, and its rows there: [begin, end).
  struct Extent {
    std::size_t sample = 0, begin = 0, end = 0;
  };
  void skip_others(IndexWalk& walk) const;
  Extent extent_of(std::size_t sample);
  Batch read_samples(const std::vector<Extent>& wanted) const;

  std::unique_ptr<SampleReader> whole_;
  FileReader& file_;  // the same
  std::size_t shard_, shards_;
  std::size_t samples_ = 0, rows_ = 0;
  Digest share_{};
  std::optional<IndexWalk> walk_;
  RowOffsets row_offsets_{file_.file()};
};

}  // namespace mt
