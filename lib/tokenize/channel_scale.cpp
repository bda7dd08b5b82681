#include "tokenize/channel_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "tokenize/token_embedding.h"

namespace mt {

std::string_view name_of(ScaleKind kind) { return kind == ScaleKind::zscore ? "zscore" : "minmax"; }

ScaleKind scale_kind_named(std::string_view name) {
  for (const ScaleKind kind : {ScaleKind::zscore, ScaleKind::minmax}) {
    if (name == name_of(kind)) return kind;
  }
  throw UsageError("--scale", fmt::format("\"{}\" is not zscore or minmax", printable(name)));
}

void store_scale(const ChannelScale& scale, Part& part) {
  const std::size_t channels = scale.channels();
  part.tensors["scale.shift"] = Tensor::of<float>({channels}, std::span<const float>(scale.shift));
  part.tensors["scale.factor"] = Tensor::of<float>({channels}, std::span<const float>(scale.factor));
}

ChannelScale scale_of(const Part& part) {
  const std::string where = tokenizer_where(part);
  const Tensor shift = tokenizer_floats(part, "scale.shift", {0}, where);
  const Tensor factor = tokenizer_floats(part, "scale.factor", {shift.size()}, where);
  const auto shifts = shift.as<float>(), factors = factor.as<float>();
  if (std::find(factors.begin(), factors.end(), 0.0F) != factors.end())
    throw Error(where, "scale.factor holds a zero", "fit it again");
  return {{shifts.begin(), shifts.end()}, {factors.begin(), factors.end()}};
}

void ChannelMoments::add(const float* rows, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    for (Channel& channel : channels_) {
      const double x = static_cast<double>(*rows++);
      if (!std::isfinite(x)) continue;
      const double distance = x - channel.mean;
      channel.mean += distance / static_cast<double>(++channel.count);
      channel.squares += distance * (x - channel.mean);
      channel.least = channel.count == 1 ? x : std::min(channel.least, x);
      channel.most = channel.count == 1 ? x : std::max(channel.most, x);
    }
  }
}

ChannelScale ChannelMoments::scale(ScaleKind kind, std::string_view where) const {
  ChannelScale scale;
  for (std::size_t c = 0; c < channels_.size(); ++c) {
    const Channel& channel = channels_[c];
    if (channel.count == 0)
      throw Error(where, fmt::format("channel {} has no value to fit statistics on", c), "leave that channel out");
    const double deviation = std::sqrt(channel.squares / static_cast<double>(channel.count));
    const double shift = kind == ScaleKind::zscore ? channel.mean : channel.least;
    const double extent = kind == ScaleKind::zscore ? deviation : channel.most - channel.least;
    // Within rounding of a constant (scikit-learn's rule), or too small to divide float32 by.
    const double noise = 10 * std::numeric_limits<double>::epsilon() * std::abs(channel.mean);
    const bool constant = !(extent > noise) || !(1 / extent < static_cast<double>(std::numeric_limits<float>::max()));
    scale.shift.push_back(static_cast<float>(shift));
    scale.factor.push_back(constant ? 1.0F : static_cast<float>(1 / extent));
  }
  return scale;
}

}  // namespace mt
