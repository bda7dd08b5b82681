// x += delta, then y = (x - mean) / sqrt(variance + eps) * gain + bias: one warp a row, which it reads once and holds
// in shared memory. The variance is that of the differences from the mean, as on the CPU.
#pragma once

#include "kernels/cuda/calls.h"
#include "kernels/cuda/instances.h"
#include "kernels/cuda/numbers.h"
#include "kernels/cuda/softmax.h"

namespace mt::cuda {

inline constexpr unsigned kNormThreads = 256;
// One row fits the shared memory of the oldest cards.
inline constexpr std::size_t kMostNormWidth = 16384;

// logic_error unless width is a multiple of 4 and at most kMostNormWidth.
inline Grid norm_grid(const NormCall& call) {
  if (call.width == 0 || call.width % 4 != 0 || call.width > kMostNormWidth)
    throw std::logic_error("no norm of rows of this width");
  constexpr std::size_t kSharedBytes = 48 * 1024;  // more must be asked for, and would keep other blocks away
  const std::size_t row_bytes = call.width * sizeof(float), fitting = kSharedBytes / row_bytes;
  const std::size_t rows = fitting == 0 ? 1 : fitting < kNormThreads / 32 ? fitting : kNormThreads / 32;
  return {divided_up(call.rows, rows), 1, static_cast<unsigned>(32 * rows), rows * row_bytes};
}

// T: of y.
template <class T, class Thread>
MT_CARD void norm_kernel(const Thread& thread, const NormCall& call) {
  const std::size_t row = thread.block_x() * (thread.threads() / 32) + thread.warp();
  if (row >= call.rows) return;
  const std::size_t begin = row * call.width;
  // Each lane comes back to what it wrote itself, so that nobody has to wait.
  float* held = thread.template shared<float>() + thread.warp() * call.width;
  float sum = 0;
  for (std::size_t j = 4 * thread.lane(); j < call.width; j += 4 * 32) {
    Pack<float, 4> x = load_pack<4>(call.x + begin + j);
    if (call.delta != nullptr) {
      const Pack<float, 4> delta = load_pack<4>(call.delta + begin + j);
      MT_UNROLL
      for (int i = 0; i < 4; ++i) x.at[i] += delta.at[i];
      store_pack(call.x + begin + j, x);
    }
    store_pack(held + j, x);
    sum += (x.at[0] + x.at[1]) + (x.at[2] + x.at[3]);
  }
  if (call.y == nullptr) return;
  const auto width = static_cast<float>(call.width);
  const float mean = sum_of<32>(thread, sum) / width;
  float squares = 0;
  for (std::size_t j = 4 * thread.lane(); j < call.width; j += 4 * 32) {
    const Pack<float, 4> x = load_pack<4>(held + j);
    MT_UNROLL
    for (int i = 0; i < 4; ++i) squares += (x.at[i] - mean) * (x.at[i] - mean);
  }
  const float factor = 1.0f / sqrtf(sum_of<32>(thread, squares) / width + call.eps);
  auto* y = static_cast<T*>(call.y) + begin;
  for (std::size_t j = 4 * thread.lane(); j < call.width; j += 4 * 32) {
    const Pack<float, 4> x = load_pack<4>(held + j);
    const Pack<float, 4> gain = load_pack<4>(call.gain + j), bias = load_pack<4>(call.bias + j);
    Pack<T, 4> normed;
    MT_UNROLL
    for (int i = 0; i < 4; ++i) normed.at[i] = narrow<T>((x.at[i] - mean) * factor * gain.at[i] + bias.at[i]);
    store_pack(y + j, normed);
  }
}

}  // namespace mt::cuda
