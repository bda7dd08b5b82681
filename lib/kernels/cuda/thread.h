// One thread of a card: where it is, and what it does together with the others of its warp (32 lanes) and of its block.
// Kernels are templates over it; tests run them on the host with tests/support/card_emulator.h, which has the same
// members and finds out who forgot to wait.
#pragma once

#include "kernels/cuda/numbers.h"

#if defined(__CUDACC__)

namespace mt::cuda {

struct CardThread {
  __device__ __forceinline__ std::size_t block_x() const { return blockIdx.x; }
  __device__ __forceinline__ std::size_t block_y() const { return blockIdx.y; }
  __device__ __forceinline__ unsigned index() const { return threadIdx.x; }
  __device__ __forceinline__ unsigned threads() const { return blockDim.x; }
  __device__ __forceinline__ unsigned lane() const { return threadIdx.x % 32; }
  __device__ __forceinline__ unsigned warp() const { return threadIdx.x / 32; }

  // The block's shared memory, from a multiple of 16 bytes on. Its content is without meaning at first.
  template <class T>
  __device__ __forceinline__ T* shared(std::size_t offset_bytes = 0) const {
    extern __shared__ __align__(16) unsigned char mt_shared_memory[];
    return reinterpret_cast<T*>(mt_shared_memory + offset_bytes);
  }

  // Waits for all threads of the block, or of the warp; what they wrote before can be read after.
  __device__ __forceinline__ void sync() const { __syncthreads(); }
  __device__ __forceinline__ void sync_warp() const { __syncwarp(); }
  // True in all threads of the block when it is in one; waits as sync() does.
  __device__ __forceinline__ bool any_in_block(bool value) const { return __syncthreads_or(value ? 1 : 0) != 0; }
  // The value of lane ^ mask.
  __device__ __forceinline__ float shuffle_xor(float value, unsigned mask) const {
    return __shfl_xor_sync(0xFFFFFFFFu, value, static_cast<int>(mask));
  }

  // Copies 16 bytes to shared memory while the thread goes on; zeros, and nothing is read, unless valid. Each copy
  // belongs to the next commit_copies(); wait_copies<n>() waits for all commits of this thread but the latest n. Others
  // see what was copied after a sync().
  __device__ __forceinline__ void copy_async_16(void* shared, const void* global, bool valid) const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
    *static_cast<uint4*>(shared) = valid ? *static_cast<const uint4*>(global) : make_uint4(0, 0, 0, 0);
#else
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(valid ? 16 : 0)
                 : "memory");
#endif
  }
  __device__ __forceinline__ void commit_copies() const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
  }
  template <int n>
  __device__ __forceinline__ void wait_copies() const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory");
#endif
  }

  // Four matrices of 8 x 8 numbers of 16 bits: lanes 8 i to 8 i + 7 point at the rows of matrix i, 16 bytes each.
  // Lane l gets from each the numbers (l / 4, 2 (l % 4)) and the one to its right; of the transposed matrix if asked.
  template <bool transposed>
  __device__ __forceinline__ void load_matrix_x4(const void* row, std::uint32_t (&fragment)[4]) const {
    if constexpr (transposed) {
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                   : "r"(shared_address(row))
                   : "memory");
    } else {
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                   : "r"(shared_address(row))
                   : "memory");
    }
  }

  // c += a b, a: [16, 16], b: [16, 8] of T, c: [16, 8] float32, spread over the warp. With g = lane / 4, t = lane % 4,
  // a lane has of a the pairs at (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8); of b those at rows 2t and 2t + 1,
  // then 2t + 8 and 2t + 9, of column g; of c those at (g, 2t) and (g + 8, 2t). Cards before 8.0 have no bfloat16:
  // trap.
  template <class T>
  __device__ __forceinline__ void multiply_add_16x8x16(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                                       std::uint32_t b1) const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
    if constexpr (std::is_same_v<T, Half>) {
      multiply_add_16x8x8(c, a[0], a[1], b0);
      multiply_add_16x8x8(c, a[2], a[3], b1);
    } else {
      __trap();
    }
#else
    if constexpr (std::is_same_v<T, Half>) {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
          "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    } else {
      static_assert(std::is_same_v<T, BFloat16>);
      asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
          "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
#endif
  }

 private:
  static __device__ __forceinline__ std::uint32_t shared_address(const void* shared) {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  }
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
  static __device__ __forceinline__ void multiply_add_16x8x8(float (&c)[4], std::uint32_t a0, std::uint32_t a1,
                                                             std::uint32_t b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(b));
  }
#endif
};

}  // namespace mt::cuda

#endif
