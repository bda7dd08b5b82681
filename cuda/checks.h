// What CUDA's functions return, as the exceptions that the encoder knows.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include "encoder/cuda/device.h"

namespace mt::cuda {

// "cuda:0 (NVIDIA H200)", the `card` of the functions below.
std::string card_label(std::size_t index, const CardProperties& properties);

// Throw Error when the card is lost or the driver fails, logic_error when what was asked cannot be done by any card.
void check(cudaError_t result, const std::string& card);
void check(cublasStatus_t result, const std::string& card);
// The same for a request of memory: OutOfMemory when there is none left.
void check_memory(cudaError_t result, const std::string& card);

// A handle of CUDA's that is given back by Destroy.
template <auto Destroy>
struct Destroyer {
  template <class T>
  void operator()(T* handle) const {
    Destroy(handle);
  }
};
template <class T, auto Destroy>
using Handle = std::unique_ptr<std::remove_pointer_t<T>, Destroyer<Destroy>>;

}  // namespace mt::cuda
