#include "store/file_reader.h"

#include <algorithm>

#include "store/schema_io.h"

namespace mt {

namespace {

SampleFile open_samples(const std::filesystem::path& path, const std::string& name, bool trust_directory) {
  const h5::Lock lock;
  h5::File file = h5::open_file(path, name);
  Schema schema = read_schema(file.get(), name);
  const std::string parent = path.parent_path().string();
  const std::string directory = !trust_directory ? "" : parent.empty() ? "." : parent;
  return {std::move(file), name, std::move(schema), directory};
}

}  // namespace

FileReader::FileReader(const std::filesystem::path& path, const std::string& name, bool trust_directory)
    : file_(open_samples(path, name, trust_directory)), inputs_(read_inputs(file_.id(), name)) {}

std::size_t FileReader::samples_that_fit(std::size_t max_rows, std::size_t max_samples) {
  const std::size_t left = file_.samples() - next_sample_;
  const std::size_t bytes = schema().width * size_of(schema().dtype);
  max_rows = std::min<std::uint64_t>(max_rows, kLargestBatch / bytes);
  max_samples = std::min(max_samples, left);
  if (!schema().ragged) return std::clamp<std::size_t>(max_rows, 1, std::max<std::size_t>(max_samples, 1));
  const std::size_t begin = row_offsets_.begin(next_sample_);
  std::size_t count = 1;
  while (count < max_samples && row_offsets_.end(next_sample_ + count) - begin <= max_rows) ++count;
  return count;
}

// The next rejected input that was not given yet; null at the end.
const Rejected* FileReader::next_rejected() {
  if (waiting_.empty() && next_rejected_ < file_.rejected_count()) {
    const std::size_t end = std::min(file_.rejected_count(), next_rejected_ + kRejectedAtOnce);
    waiting_ = file_.rejected(next_rejected_, end);
    std::reverse(waiting_.begin(), waiting_.end());  // taken from the back
    next_rejected_ = end;
  }
  return waiting_.empty() ? nullptr : &waiting_.back();
}

// Rejected inputs come with the samples between which they stood; those after the last sample come at the end. When
// they are too many for one batch, the samples behind those that are left wait for the next one.
void FileReader::take_rejected(Batch& batch) {
  const bool last = next_sample_ == file_.samples();
  while (const Rejected* next = next_rejected()) {
    if (!last && next->index > batch.index.back()) return;
    if (batch.rejected.size() == kRejectedAtOnce) {
      const auto behind = std::lower_bound(batch.index.begin(), batch.index.end(), next->index);
      const auto kept = static_cast<std::size_t>(behind - batch.index.begin());
      if (kept == batch.samples()) return;
      next_sample_ -= batch.samples() - kept;
      Batch rest = batch.slice(0, kept);
      rest.rejected = std::move(batch.rejected);
      batch = std::move(rest);
      return;
    }
    batch.rejected.push_back(std::move(waiting_.back()));
    waiting_.pop_back();
  }
}

std::optional<Batch> FileReader::next(std::size_t max_rows, std::size_t max_samples) {
  Batch batch;
  if (next_sample_ < file_.samples()) {
    const std::size_t count = samples_that_fit(max_rows, max_samples);
    batch = file_.read(next_sample_, next_sample_ + count);
    next_sample_ += count;
  }
  take_rejected(batch);
  if (batch.samples() == 0 && batch.rejected.empty()) return std::nullopt;
  return batch;
}

}  // namespace mt
