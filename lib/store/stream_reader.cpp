#include "store/stream_reader.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "base/interrupt.h"

namespace mt {

StreamReader::StreamReader(Descriptor descriptor, const std::string& name, std::vector<std::byte> first_bytes)
    : descriptor_(std::move(descriptor)), name_(name), source_(descriptor_.get(), name, std::move(first_bytes)) {
  const std::optional<Frame> frame = source_.next();
  if (!frame || frame->kind != FrameKind::header) throw DamagedFrame(name_, "does not begin with a header frame");
  schema_ = schema_of_image(frame->image, name_);
}

std::optional<std::int64_t> StreamReader::samples() const { return end_ ? std::optional(end_->samples) : std::nullopt; }

std::optional<std::int64_t> StreamReader::rows() const { return end_ ? std::optional(end_->rows) : std::nullopt; }

void StreamReader::finish(const Frame& frame) {
  end_ = end_of_image(frame.image, name_);
  if (end_->samples != totals_.samples || end_->rows != totals_.rows || end_->rejected != totals_.rejected) {
    throw DamagedFrame(
        name_, fmt::format("its end mark counts {} samples, {} rows and {} rejected inputs, {}, {} and {} came",
                           end_->samples, end_->rows, end_->rejected, totals_.samples, totals_.rows, totals_.rejected));
  }
  if (source_.next()) throw Error(name_, "goes on after its end mark", "join files with mt-cat");
}

void StreamReader::read_frame() {
  throw_if_interrupted();
  const std::optional<Frame> frame = source_.next();
  if (!frame) {
    throw DamagedFrame(name_, fmt::format("stream ended without its end mark after {} samples", totals_.samples),
                       "see why the program before it stopped");
  }
  switch (frame->kind) {
    case FrameKind::header:
      throw DamagedFrame(name_, "has a second header frame");
    case FrameKind::end:
      finish(*frame);
      return;
    case FrameKind::batch:
      break;
  }
  Batch batch = batch_of_image(frame->image, schema_, fmt::format("{}: frame {}", name_, frame->number)).batch;
  totals_.add(batch);
  if (given_ > 0) {
    Batch rest = pending_.slice(given_, pending_.samples());
    rest.rejected = std::move(pending_.rejected);
    pending_ = std::move(rest);
    given_ = 0;
  }
  if (pending_.samples() == 0 && pending_.rejected.empty()) {
    pending_ = std::move(batch);
  } else {
    pending_.append(batch);
  }
}

std::size_t StreamReader::rows_of(std::size_t samples) const {
  return samples == 0 ? 0 : pending_.row_end(given_ + samples - 1) - pending_.row_begin(given_);
}

std::optional<Batch> StreamReader::next(std::size_t max_rows, std::size_t max_samples) {
  constexpr std::size_t kMostRejected = std::size_t{1} << 14;
  max_samples = std::max<std::size_t>(max_samples, 1);
  while (!end_ && waiting() < max_samples && rows_of(waiting()) < max_rows &&
         pending_.rejected.size() < kMostRejected) {
    read_frame();
  }
  std::size_t count = std::min(waiting(), max_samples);
  while (count > 1 && rows_of(count) > max_rows) --count;
  if (count == 0 && pending_.rejected.empty()) return std::nullopt;
  Batch batch;
  if (given_ == 0 && count == pending_.samples()) {
    batch = std::move(pending_);
    pending_ = {};
    return batch;
  }
  batch = pending_.slice(given_, given_ + count);
  batch.rejected = std::move(pending_.rejected);
  pending_.rejected.clear();
  given_ += count;
  return batch;
}

Batch StreamReader::read(std::size_t, std::size_t) { throw std::logic_error("a stream has no random access"); }
std::vector<std::int64_t> StreamReader::offsets(std::size_t, std::size_t) {
  throw std::logic_error("a stream has no random access");
}
std::vector<std::int32_t> StreamReader::labels() { throw std::logic_error("a stream has no random access"); }

Digest StreamReader::inputs() const { return end_ ? end_->inputs : Digest{}; }

}  // namespace mt
