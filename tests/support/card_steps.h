// The kernels for cards, run on the host with the blocks and threads that a card would be given.
#pragma once

#include "kernels/cuda/activation.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/attention_f32.h"
#include "kernels/cuda/finite.h"
#include "kernels/cuda/norm.h"
#include "kernels/cuda/pool.h"
#include "support/card_emulator.h"

namespace mt::test {

inline void run_norm(const cuda::NormCall& call, Order order = Order::ascending) {
  cuda::with_numbers(call.numbers, [&]<class T>(T) {
    emulate(
        cuda::norm_grid(call), [&](const auto& thread) { cuda::norm_kernel<T>(thread, call); }, order);
  });
}

inline void run_activation(const cuda::ActivationCall& call, Order order = Order::ascending) {
  cuda::with_numbers(call.numbers, [&]<class T>(T) {
    emulate(
        cuda::activation_grid(call), [&](const auto& thread) { cuda::activation_kernel<T>(thread, call); }, order);
  });
}

inline void run_attention(const cuda::AttentionCall& call, Order order = Order::ascending) {
  cuda::with_head_size(call.head_size, [&](auto size) {
    constexpr unsigned head_size = decltype(size)::value;
    cuda::with_numbers(call.numbers, [&]<class T>(T) {
      if constexpr (std::is_same_v<T, float>) {
        emulate(
            cuda::float_attention_grid<head_size>(call),
            [&](const auto& thread) { cuda::float_attention_kernel<head_size>(thread, call); }, order);
      } else {
        emulate(
            cuda::attention_grid<head_size>(call),
            [&](const auto& thread) { cuda::attention_kernel<head_size, T>(thread, call); }, order);
      }
    });
  });
}

inline void run_pool(const cuda::PoolCall& call, Order order = Order::ascending) {
  emulate(
      cuda::pool_grid(call), [&](const auto& thread) { cuda::pool_kernel(thread, call); }, order);
}

inline void run_finite(const cuda::FiniteCall& call, Order order = Order::ascending) {
  emulate(
      cuda::finite_grid(call), [&](const auto& thread) { cuda::finite_kernel(thread, call); }, order);
}

}  // namespace mt::test
