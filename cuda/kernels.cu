#include "launch.h"

#include "kernels/cuda/activation.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/attention_f32.h"
#include "kernels/cuda/finite.h"
#include "kernels/cuda/norm.h"
#include "kernels/cuda/pool.h"
#include "kernels/cuda/thread.h"

namespace mt::cuda {

namespace {

template <class T>
__global__ void __launch_bounds__(kNormThreads) norm(const NormCall call) {
  norm_kernel<T>(CardThread{}, call);
}

template <class T>
__global__ void __launch_bounds__(kActivationThreads) activate(const ActivationCall call) {
  activation_kernel<T>(CardThread{}, call);
}

template <unsigned head_size, class T>
__global__ void __launch_bounds__(AttentionShape<head_size>::threads, AttentionShape<head_size>::blocks)
    attend(const AttentionCall call) {
  attention_kernel<head_size, T>(CardThread{}, call);
}

template <unsigned head_size>
__global__ void __launch_bounds__(FloatAttentionShape<head_size>::threads) attend_f32(const AttentionCall call) {
  float_attention_kernel<head_size>(CardThread{}, call);
}

__global__ void __launch_bounds__(kPoolThreads) pool(const PoolCall call) { pool_kernel(CardThread{}, call); }

__global__ void __launch_bounds__(kFiniteThreads) check_finite(const FiniteCall call) {
  finite_kernel(CardThread{}, call);
}

template <class Call>
cudaError_t launch(void (*kernel)(Call), const Call& call, const Grid& grid, cudaStream_t stream) {
  if (grid.x == 0 || grid.y == 0) return cudaSuccess;
  // More shared memory than any card has at once must be asked for, of each card: too seldom to remember of which it
  // was.
  if (grid.shared_bytes > 48 * 1024) {
    const cudaError_t error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(grid.shared_bytes));
    if (error != cudaSuccess) return error;
  }
  kernel<<<dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y)), grid.threads, grid.shared_bytes,
           stream>>>(call);
  return cudaGetLastError();
}

}  // namespace

cudaError_t launch_norm(const NormCall& call, cudaStream_t stream) {
  return with_numbers(call.numbers, [&]<class T>(T) { return launch(norm<T>, call, norm_grid(call), stream); });
}

cudaError_t launch_activation(const ActivationCall& call, cudaStream_t stream) {
  return with_numbers(call.numbers,
                      [&]<class T>(T) { return launch(activate<T>, call, activation_grid(call), stream); });
}

cudaError_t launch_attention(const AttentionCall& call, cudaStream_t stream) {
  return with_head_size(call.head_size, [&](auto size) {
    constexpr unsigned head_size = decltype(size)::value;
    return with_numbers(call.numbers, [&]<class T>(T) {
      if constexpr (std::is_same_v<T, float>)
        return launch(attend_f32<head_size>, call, float_attention_grid<head_size>(call), stream);
      else
        return launch(attend<head_size, T>, call, attention_grid<head_size>(call), stream);
    });
  });
}

cudaError_t launch_pool(const PoolCall& call, cudaStream_t stream) {
  return launch(pool, call, pool_grid(call), stream);
}

cudaError_t launch_finite(const FiniteCall& call, cudaStream_t stream) {
  return launch(check_finite, call, finite_grid(call), stream);
}

}  // namespace mt::cuda
