// What brings channels (of series, of spectra) to one scale: y = (x - shift) * factor, with constants measured once on
// training data and stored with the tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/tensor.h"
#include "store/model.h"

namespace mt {

enum class ScaleKind : std::uint8_t {
  zscore,  // mean 0 and deviation 1 (divided by n, as scikit-learn's StandardScaler)
  minmax,  // smallest 0, largest 1
};
std::string_view name_of(ScaleKind kind);
ScaleKind scale_kind_named(std::string_view name);  // throws UsageError

struct ChannelScale {
  std::vector<float> shift, factor;  // [channels]; factor is 1 where a channel is constant

  std::size_t channels() const { return shift.size(); }
  float operator()(float x, std::size_t channel) const { return (x - shift[channel]) * factor[channel]; }
  float inverse(float y, std::size_t channel) const { return y / factor[channel] + shift[channel]; }
};

// scale.shift and scale.factor [channels] of a tokenizer's part. Throws Error: missing, not finite, a factor of 0.
void store_scale(const ChannelScale& scale, Part& part);
ChannelScale scale_of(const Part& part);

// One pass over the values of each channel; what is not finite does not count. In double precision (Welford 1962), in
// the order of the calls.
class ChannelMoments {
 public:
  explicit ChannelMoments(std::size_t channels) : channels_(channels) {}
  void add(const float* rows, std::size_t count);  // [count, channels]
  // Throws Error naming the channel, by its number, that has no finite value.
  ChannelScale scale(ScaleKind kind, std::string_view where) const;

 private:
  struct Channel {
    std::uint64_t count = 0;
    double mean = 0, squares = 0, least = 0, most = 0;
  };
  std::vector<Channel> channels_;
};

}  // namespace mt
