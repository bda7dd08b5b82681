#include "tokenize/video/video_samples.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/error.h"

namespace mt {

namespace {

constexpr std::size_t kKnownFiles = 16;

}  // namespace

VideoSamples::VideoSamples(const MediaSource& source, const VideoSettings& settings, const VideoLimits& limits)
    : source_(source), settings_(settings), limits_(limits) {}

Schema VideoSamples::schema() const {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "video";
  schema.width = settings_.patch_values();
  schema.has_centers = schema.has_grid = true;
  schema.has_labels = source_.has_labels();
  schema.label_names = source_.label_names();
  schema.positions = schema.pre_norm = false;
  schema.config = video_config(settings_);
  if (limits_.salvage) schema.config["salvage"] = true;
  return schema;
}

std::unique_ptr<Video> VideoSamples::open(const std::string& path) const {
  std::shared_ptr<const VideoTimes> times;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, known] : known_) {
      if (name == path) times = known;
    }
  }
  std::unique_ptr<Video> video = open_video(path, limits_, times);
  const std::lock_guard lock(mutex_);
  if (std::ranges::none_of(known_, [&](const auto& known) { return known.first == path; })) {
    known_.emplace_front(path, video->times());
    if (known_.size() > kKnownFiles) known_.pop_back();
  }
  return video;
}

VideoSamples::Clip VideoSamples::read(std::size_t i) const {
  const MediaSegment segment = source_.segment(i);
  const std::string path = segment.path.string();
  const std::unique_ptr<Video> video = open(path);
  const std::shared_ptr<const VideoTimes> times = video->times();
  const std::vector<std::size_t> chosen =
      sampled_frames(*times, segment.start, segment.duration.value_or(-1), settings_.frames, settings_.stride, path);
  Clip clip;
  std::optional<Sha256> pixels;
  std::error_code error;
  if (!segment.whole() || std::filesystem::is_directory(segment.path, error)) pixels.emplace();
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    clip.seconds.push_back(times->starts[chosen[k]]);
    if (k > 0 && chosen[k] == chosen[k - 1]) {  // a short video shows a frame more than once
      clip.pictures.push_back(clip.pictures.back());
      continue;
    }
    Image image = video->frame(chosen[k]);
    if (pixels) pixels->update(image.pixels.bytes());
    PreparedImage prepared = prepare_image(std::move(image), settings_.preparation);
    clip.pictures.push_back(std::move(prepared.pixels));
    if (k > 0) continue;
    clip.row_origin = prepared.row_origin;
    clip.column_origin = prepared.column_origin;
    clip.row_scale = prepared.row_scale;
    clip.column_scale = prepared.column_scale;
  }
  clip.digest = pixels ? pixels->finish() : sha256_file(segment.path);
  return clip;
}

Digest VideoSamples::digest(std::size_t i) const {
  const MediaSegment segment = source_.segment(i);
  std::error_code error;
  if (segment.whole() && !std::filesystem::is_directory(segment.path, error)) return sha256_file(segment.path);
  return read(i).digest;
}

Batch VideoSamples::empty_batch() const {
  Batch batch;
  batch.rows = Tensor(DType::f32, {0, settings_.patch_values()});
  batch.centers = Tensor(DType::f32, {0, 3});
  batch.grid = Tensor(DType::i32, {0, 3});
  return batch;
}

Digest VideoSamples::make(std::size_t i, Batch& batch) const {
  const Clip clip = read(i);
  const std::size_t before = batch.rows.rows();
  batch.rows.resize_rows(before + settings_.tokens());
  cut_tubelets(clip.pictures, settings_, batch.rows.as<float>().subspan(before * settings_.patch_values()));
  append_places(clip, batch);
  return clip.digest;
}

// Grid, and of each tubelet the middle: seconds between its first and last frame, row and column of the upright video.
void VideoSamples::append_places(const Clip& clip, Batch& batch) const {
  const Size grid = settings_.grid();
  const std::size_t sample = batch.grid.rows();
  batch.grid.resize_rows(sample + 1);
  const auto shape = batch.grid.row<std::int32_t>(sample);
  shape[0] = static_cast<std::int32_t>(settings_.times());
  shape[1] = static_cast<std::int32_t>(grid.height);
  shape[2] = static_cast<std::int32_t>(grid.width);

  std::size_t token = batch.centers.rows();
  batch.centers.resize_rows(token + settings_.tokens());
  const auto side = static_cast<double>(settings_.patch);
  for (std::size_t time = 0; time < settings_.times(); ++time) {
    const std::size_t first = time * settings_.tubelet, last = first + settings_.tubelet - 1;
    const double seconds = (clip.seconds[first] + clip.seconds[last]) / 2;
    for (std::size_t row = 0; row < grid.height; ++row) {
      for (std::size_t column = 0; column < grid.width; ++column) {
        const auto center = batch.centers.row<float>(token++);
        center[0] = static_cast<float>(seconds);
        center[1] = static_cast<float>(clip.row_origin + (static_cast<double>(row) + 0.5) * side * clip.row_scale);
        center[2] =
            static_cast<float>(clip.column_origin + (static_cast<double>(column) + 0.5) * side * clip.column_scale);
      }
    }
  }
}

}  // namespace mt
