#include "layers/dropout.h"

#include <cmath>

#include "base/random.h"

namespace mt {

namespace {
constexpr std::uint64_t kLayers = 1024;  // more than any head has
}

void Dropout::apply(std::span<float> values, std::size_t row) const {
  if (probability <= 0) return;
  Random random(seed, stream_of("dropout", step * kLayers + layer, row));
  const auto threshold = static_cast<std::uint64_t>(std::ldexp(probability, 32));
  const auto scale = static_cast<float>(1.0 / (1.0 - probability));
  for (float& value : values) value = random.next_u32() < threshold ? 0.0F : value * scale;
}

}  // namespace mt
