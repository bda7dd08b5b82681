// Videos as samples of tubelets: frames chosen, decoded, prepared as pictures, cut.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "decode/media_source.h"
#include "store/schema.h"
#include "tokenize/pipeline.h"
#include "tokenize/video/video_settings.h"

namespace mt {

class VideoSamples : public SampleMaker {
 public:
  // The source must outlive this.
  VideoSamples(const MediaSource& source, const VideoSettings& settings, const VideoLimits& limits);

  // Kind, columns, labels, settings of the patches; creator and source are the caller's to complete.
  Schema schema() const;

  std::size_t size() const override { return source_.size(); }
  std::string id(std::size_t i) const override { return source_.id(i); }
  bool has_labels() const override { return source_.has_labels(); }
  std::int32_t label(std::size_t i) const override { return source_.label(i); }
  // Of the file; of a part of it, or a directory, of the pixels of the frames that are taken.
  Digest digest(std::size_t i) const override;
  Batch empty_batch() const override;
  Digest make(std::size_t i, Batch& batch) const override;

 private:
  struct Clip {
    std::vector<Tensor> pictures;  // prepared
    std::vector<double> seconds;   // of each
    double row_origin = 0, column_origin = 0, row_scale = 1, column_scale = 1;
    Digest digest{};
  };
  Clip read(std::size_t i) const;
  std::unique_ptr<Video> open(const std::string& path) const;
  void append_places(const Clip& clip, Batch& batch) const;

  const MediaSource& source_;
  VideoSettings settings_;
  VideoLimits limits_;
  // The latest files, so that the windows of one need not look for its frames each time.
  mutable std::mutex mutex_;
  mutable std::list<std::pair<std::string, std::shared_ptr<const VideoTimes>>> known_;
};

}  // namespace mt
