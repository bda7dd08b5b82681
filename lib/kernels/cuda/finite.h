// Do some consecutive rows hold a NaN or an infinity? One block a span.
#pragma once

#include "kernels/cuda/calls.h"
#include "kernels/cuda/instances.h"
#include "kernels/cuda/numbers.h"

namespace mt::cuda {

inline constexpr unsigned kFiniteThreads = 256;

inline Grid finite_grid(const FiniteCall& call) { return {call.span_count, 1, kFiniteThreads, 0}; }

template <class Thread>
MT_CARD void finite_kernel(const Thread& thread, const FiniteCall& call) {
  const RowSpan span = call.spans[thread.block_x()];
  const float* x = call.x + static_cast<std::size_t>(span.first) * call.width;
  const std::size_t count = static_cast<std::size_t>(span.count) * call.width;
  bool found = false;
  for (std::size_t i = thread.index(); i < count; i += thread.threads()) {
    found = found || !(fabsf(x[i]) <= 3.402823466e38f);
  }
  found = thread.any_in_block(found);
  if (thread.index() == 0) call.flags[thread.block_x()] = found ? 1 : 0;
}

}  // namespace mt::cuda
