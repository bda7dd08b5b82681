// The mean or the maximum of some consecutive rows, one thread a column.
#pragma once

#include "kernels/cuda/calls.h"
#include "kernels/cuda/instances.h"
#include "kernels/cuda/numbers.h"

namespace mt::cuda {

inline constexpr unsigned kPoolThreads = 128;

inline Grid pool_grid(const PoolCall& call) {
  return {call.span_count, divided_up(call.width, kPoolThreads), kPoolThreads, 0};
}

template <class Thread>
MT_CARD void pool_kernel(const Thread& thread, const PoolCall& call) {
  const std::size_t column = thread.block_y() * thread.threads() + thread.index();
  if (column >= call.width) return;
  const RowSpan span = call.spans[thread.block_x()];
  const float* x = call.x + static_cast<std::size_t>(span.first) * call.width + column;
  float pooled = *x;
  for (std::int32_t i = 1; i < span.count; ++i) {
    x += call.width;
    if (call.maximum)
      pooled = *x > pooled ? *x : pooled;  // of NaNs only the first row's shows, as on the CPU
    else
      pooled += *x;
  }
  if (!call.maximum && span.count > 1) pooled /= static_cast<float>(span.count);
  call.out[thread.block_x() * call.width + column] = pooled;
}

}  // namespace mt::cuda
