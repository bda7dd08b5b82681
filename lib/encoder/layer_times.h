// Where an encoder's time goes, by kind of layer.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mt {

// In the order in which a block has them. norm: both, and the operands made of their results; quantise: the operands of
// the other two products, in int8; rest: copies, merging, pooling.
enum class LayerKind : std::uint8_t { norm, qkv, attention, attention_output, mlp_hidden, mlp_output, quantise, rest };
inline constexpr std::size_t kLayerKinds = 8;

constexpr std::string_view name_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::norm:
      return "norm";
    case LayerKind::qkv:
      return "qkv";
    case LayerKind::attention:
      return "attention";
    case LayerKind::attention_output:
      return "attention output";
    case LayerKind::mlp_hidden:
      return "mlp hidden";
    case LayerKind::mlp_output:
      return "mlp output";
    case LayerKind::quantise:
      return "quantise";
    case LayerKind::rest:
      return "rest";
  }
  return "";
}

// Seconds of each kind, summed over the threads.
using LayerTimes = std::array<double, kLayerKinds>;

// One per thread. Reading the clock takes tens of nanoseconds, a step it divides milliseconds: it is always on.
class Stopwatch {
 public:
  void start() { last_ = Clock::now(); }
  // What has passed since start or the last lap belongs to kind.
  void lap(LayerKind kind) {
    const Clock::time_point now = Clock::now();
    times_[static_cast<std::size_t>(kind)] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  const LayerTimes& times() const { return times_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_;
  LayerTimes times_{};
};

}  // namespace mt
