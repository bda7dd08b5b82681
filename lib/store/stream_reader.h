// SampleReader of a stream of frames.
#pragma once

#include <string>

#include "base/descriptor.h"
#include "store/frames.h"
#include "store/images.h"
#include "store/sample_reader.h"

namespace mt {

class StreamReader final : public SampleReader {
 public:
  // Reads the header frame. first_bytes: read from the descriptor before, to see what it is.
  StreamReader(Descriptor descriptor, const std::string& name, std::vector<std::byte> first_bytes);

  const Schema& schema() const override { return schema_; }
  std::optional<std::int64_t> samples() const override;
  std::optional<std::int64_t> rows() const override;
  std::optional<Batch> next(std::size_t max_rows, std::size_t max_samples) override;
  bool seekable() const override { return false; }
  Batch read(std::size_t begin, std::size_t end) override;
  std::vector<std::int64_t> offsets(std::size_t begin, std::size_t end) override;
  std::vector<std::int32_t> labels() override;
  Digest inputs() const override;

 private:
  void read_frame();
  void finish(const Frame& frame);
  std::size_t waiting() const { return pending_.samples() - given_; }
  std::size_t rows_of(std::size_t samples) const;

  Descriptor descriptor_;
  std::string name_;
  FrameSource source_;
  Schema schema_;
  Batch pending_;  // samples [given_, ...) wait
  std::size_t given_ = 0;
  Totals totals_;
  std::optional<End> end_;
};

}  // namespace mt
