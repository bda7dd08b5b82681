// SampleReader of one HDF5 file.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "store/row_offsets.h"
#include "store/sample_file.h"
#include "store/sample_reader.h"

namespace mt {

class FileReader final : public SampleReader {
 public:
  static constexpr std::size_t kRejectedAtOnce = std::size_t{1} << 14;
  static constexpr std::uint64_t kLargestBatch = std::uint64_t{1} << 30;  // bytes of rows, whatever the row budget

  // path is opened, name stands in errors. trust_directory: virtual data sets may name sources beside the file.
  FileReader(const std::filesystem::path& path, const std::string& name, bool trust_directory);

  const Schema& schema() const override { return file_.schema(); }
  std::optional<std::int64_t> samples() const override { return static_cast<std::int64_t>(file_.samples()); }
  std::optional<std::int64_t> rows() const override { return static_cast<std::int64_t>(file_.rows()); }
  std::optional<Batch> next(std::size_t max_rows, std::size_t max_samples) override;
  bool seekable() const override { return true; }
  Batch read(std::size_t begin, std::size_t end) override { return file_.read(begin, end); }
  std::vector<std::int64_t> offsets(std::size_t begin, std::size_t end) override { return file_.offsets(begin, end); }
  std::vector<std::int32_t> labels() override { return file_.labels(0, file_.samples()); }
  Digest inputs() const override { return inputs_; }

  const SampleFile& file() const { return file_; }

 private:
  std::size_t samples_that_fit(std::size_t max_rows, std::size_t max_samples);
  const Rejected* next_rejected();
  void take_rejected(Batch& batch);

  SampleFile file_;
  Digest inputs_;
  std::size_t next_sample_ = 0, next_rejected_ = 0;
  RowOffsets row_offsets_{file_};
  std::vector<Rejected> waiting_;  // read, not yet given: [next_rejected_ - waiting_.size(), next_rejected_)
};

}  // namespace mt
