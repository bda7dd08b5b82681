// Which instance of a kernel's template a call takes, and how many blocks and threads it is started with.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <type_traits>

#include "base/tensor.h"
#include "kernels/cuda/calls.h"

namespace mt::cuda {

struct Grid {
  std::size_t x = 1, y = 1;      // blocks; nothing is started when there are none
  unsigned threads = 32;         // of a block
  std::size_t shared_bytes = 0;  // of a block, 64 KiB at most: what the oldest cards have
};

constexpr std::size_t divided_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// act(T{}) with the storage type of these numbers; logic_error for int8, in which no kernel for cards stores.
template <class Act>
auto with_numbers(Precision numbers, Act&& act) {
  switch (numbers) {
    case Precision::f32:
      return act(float{});
    case Precision::bf16:
      return act(BFloat16{});
    case Precision::f16:
      return act(Half{});
    case Precision::int8:
      break;
  }
  throw std::logic_error("the kernels for cards have no int8");
}

// act(std::integral_constant<unsigned, head_size>{}); logic_error for a size that is not in kHeadSizes.
template <class Act>
auto with_head_size(std::size_t head_size, Act&& act) {
  static_assert(sizeof(kHeadSizes) / sizeof(kHeadSizes[0]) == 5);
  switch (head_size) {
    case 32:
      return act(std::integral_constant<unsigned, 32>{});
    case 64:
      return act(std::integral_constant<unsigned, 64>{});
    case 80:
      return act(std::integral_constant<unsigned, 80>{});
    case 96:
      return act(std::integral_constant<unsigned, 96>{});
    case 128:
      return act(std::integral_constant<unsigned, 128>{});
  }
  throw std::logic_error("no attention kernel for this size of a head");
}

}  // namespace mt::cuda
