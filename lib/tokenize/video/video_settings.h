// What decides how a video becomes tubelets, and how a model's part states it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "decode/video.h"
#include "store/model.h"
#include "tokenize/image_patches.h"
#include "tokenize/image_prepare.h"

namespace mt {

struct VideoSettings {
  std::size_t frames = 16, tubelet = 2, patch = 16;
  std::size_t stride = 0;        // 0: frames lie evenly over the whole; else every stride-th, around the middle
  ImagePreparation preparation;  // of each frame; upright: turned as the container says
  Normalization normalization;   // of three channels

  Size grid() const { return {preparation.size.height / patch, preparation.size.width / patch}; }
  std::size_t times() const { return frames / tubelet; }
  std::size_t tokens() const { return times() * grid().height * grid().width; }
  std::size_t patch_values() const { return 3 * tubelet * patch * patch; }
};

// Which `count` frames of a video, or of the part [start, start + duration) of it in seconds (duration < 0: to the
// end), make a sample. stride 0: those shown at the middles of `count` equal spans. A video of constant rate counts
// frames: floor((i + 1/2) n / count); others go by the clock. Else every stride-th, `count` of them around the middle;
// frames beyond the end are the last. Throws Error(where) when the video ends before start.
std::vector<std::size_t> sampled_frames(const VideoTimes& times, double start, double duration, std::size_t count,
                                        std::size_t stride, std::string_view where);

// Settings as a model's part and mt_config state them, and the reverse, which throws Error for what makes no sense.
nlohmann::json video_config(const VideoSettings& settings);
VideoSettings video_settings_of(const nlohmann::json& config);
// Throws UsageError when the size is no whole number of patches, or frames no whole number of tubelets.
void require_whole_tubelets(const VideoSettings& settings);

// pictures: settings.frames prepared frames of one size. rows: [tokens, patch_values], in the order time, row, column;
// values of a tubelet in the order (channel, frame, row, column), as a Conv3d of stride = kernel takes them.
void cut_tubelets(const std::vector<Tensor>& pictures, const VideoSettings& settings, std::span<float> rows);

enum class VideoPositions : std::uint8_t { learned, sinusoid };

// Adds to a part with video_config's settings a projection, a class token and positions, all from the seed: learned
// positions start as sines of time, row and column; sinusoid ones are fixed (VideoMAE), without class token.
void initialise_video_embedding(Part& part, std::size_t width, VideoPositions positions, std::uint64_t seed);
// The same from an image tokenizer with patches of the same size: its kernel in each frame of the tubelet, divided by
// their number; its class token; its positions resized to the grid, with sines of time added that have half their
// strength; its pre-norm. False, and nothing done, when its kernel does not fit.
bool inflate_image_tokenizer(Part& part, const Part& image, VideoPositions positions);

}  // namespace mt
