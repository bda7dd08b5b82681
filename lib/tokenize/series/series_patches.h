// How a series becomes patches: windows of some steps, all channels of a window in one row or each channel on its own.
// A convolution over time is a linear map of such rows, so each of the usual embeddings is one of these:
//
//   step    3 steps around each step, the ends joined (circular): Time-Series-Library's DataEmbedding; T rows
//   patch   16 steps every 8, each channel alone, the last value repeated 8 times at the end: PatchTST; T/8 rows a
//           channel
//   block   8 steps every 8: ImageBind's IMU; T/8 rows, what is left over at the end is cut off
//   conv    10 steps every step: OneLLM's IMU; T - 9 rows
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/tensor.h"

namespace mt {

struct SeriesPatching {
  enum class Ends : std::uint8_t { cut, circular, repeat };
  std::size_t kernel = 3, stride = 1;
  Ends ends = Ends::circular;  // circular: kernel / 2 steps from the other end on both sides; repeat: the last step
                               // `stride` times behind the end; cut: nothing
  bool separate = false;       // each channel on its own: channel by channel, all rows of one before the next

  std::size_t patches(std::size_t steps) const;  // of one channel, or of all joined; 0: too short
  std::size_t rows(std::size_t steps, std::size_t channels) const { return patches(steps) * (separate ? channels : 1); }
  std::size_t columns(std::size_t channels) const { return kernel * (separate ? 1 : channels); }
};
SeriesPatching series_patching_named(std::string_view preset);  // "step", "patch", "block", "conv"; throws UsageError
nlohmann::json to_json(const SeriesPatching& patching);
SeriesPatching series_patching_of(const nlohmann::json& config, std::string_view where);  // throws Error

// series: [steps, channels]. out: rows(steps, channels) rows that lie row_width apart, of which the first columns(...)
// are written: channel by channel, the kernel's steps in order within each, as a convolution's weight [D, channels,
// kernel] has them.
void cut_series(const Tensor& series, const SeriesPatching& patching, float* out, std::size_t row_width);

// The step of the series that a patch's middle lies on, ends counted: for its place in time.
double middle_step(const SeriesPatching& patching, std::size_t patch);

}  // namespace mt
