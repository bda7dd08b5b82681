// y = activation(y) in place, eight numbers a thread.
#pragma once

#include "kernels/cuda/calls.h"
#include "kernels/cuda/instances.h"
#include "kernels/cuda/numbers.h"

namespace mt::cuda {

inline constexpr unsigned kActivationThreads = 256;

// logic_error unless count is a multiple of 8.
inline Grid activation_grid(const ActivationCall& call) {
  if (call.count % 8 != 0) throw std::logic_error("activations go by eights");
  return {divided_up(call.count / 8, kActivationThreads), 1, kActivationThreads, 0};
}

MT_CARD float gelu(float x) {
  constexpr float kRootHalf = 0.707106781f;
  return 0.5f * x * (1.0f + erff(x * kRootHalf));
}

// x sigmoid(1.702 x).
MT_CARD float quick_gelu(float x) {
  constexpr float kFactor = -1.702f * 1.44269504f;  // exp(-1.702 x) as a power of two
  return x / (1.0f + power_of_two(kFactor * x));
}

template <class T, class Thread>
MT_CARD void activation_kernel(const Thread& thread, const ActivationCall& call) {
  const std::size_t first = 8 * (thread.block_x() * thread.threads() + thread.index());
  if (first >= call.count) return;
  T* y = static_cast<T*>(call.y) + first;
  constexpr unsigned each = 16 / sizeof(T);
  Pack<T, each> packs[8 / each];
  MT_UNROLL
  for (unsigned p = 0; p < 8 / each; ++p) packs[p] = load_pack<each>(y + p * each);
  MT_UNROLL
  for (unsigned p = 0; p < 8 / each; ++p) {
    MT_UNROLL
    for (T& one : packs[p].at) one = narrow<T>(call.quick ? quick_gelu(widen(one)) : gelu(widen(one)));
    store_pack(y + p * each, packs[p]);
  }
}

}  // namespace mt::cuda
