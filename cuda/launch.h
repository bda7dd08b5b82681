// The kernels for cards, started in a stream. Each returns what CUDA says about the start; what happens later shows in
// the stream. logic_error for a call that no kernel can do (kernels/cuda/calls.h says which those are).
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/cuda/calls.h"

namespace mt::cuda {

cudaError_t launch_norm(const NormCall& call, cudaStream_t stream);
cudaError_t launch_activation(const ActivationCall& call, cudaStream_t stream);
cudaError_t launch_attention(const AttentionCall& call, cudaStream_t stream);
cudaError_t launch_pool(const PoolCall& call, cudaStream_t stream);
cudaError_t launch_finite(const FiniteCall& call, cudaStream_t stream);

}  // namespace mt::cuda
