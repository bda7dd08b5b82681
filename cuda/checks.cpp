#include "checks.h"

#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"

namespace mt::cuda {

namespace {

constexpr const char* kGoOn = "run it again";

bool is_ours(cudaError_t result) {
  return result == cudaErrorInvalidValue || result == cudaErrorInvalidConfiguration ||
         result == cudaErrorInvalidResourceHandle || result == cudaErrorStreamCaptureUnsupported;
}

bool is_loss(cudaError_t result) {
  return result == cudaErrorIllegalAddress || result == cudaErrorLaunchFailure || result == cudaErrorLaunchTimeout ||
         result == cudaErrorECCUncorrectable || result == cudaErrorNvlinkUncorrectable ||
         result == cudaErrorHardwareStackError || result == cudaErrorMisalignedAddress ||
         result == cudaErrorIllegalInstruction || result == cudaErrorDevicesUnavailable || result == cudaErrorUnknown;
}

}  // namespace

std::string card_label(std::size_t index, const CardProperties& properties) {
  return fmt::format("cuda:{} ({})", index, properties.name);
}

void check(cudaError_t result, const std::string& card) {
  if (result == cudaSuccess) return;
  // What is not read is returned once more by a later call that has nothing to do with it.
  cudaGetLastError();
  const char* said = cudaGetErrorString(result);
  if (is_ours(result)) throw std::logic_error(fmt::format("{}: {}", card, said));
  if (result == cudaErrorMemoryAllocation) throw Error(card, "has no memory left", "take a smaller --budget");
  throw Error(card, is_loss(result) ? fmt::format("the card was lost: {}", said) : said, kGoOn);
}

void check_memory(cudaError_t result, const std::string& card) {
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw OutOfMemory();
  }
  check(result, card);
}

void check(cublasStatus_t result, const std::string& card) {
  if (result == CUBLAS_STATUS_SUCCESS) return;
  const std::string said = fmt::format("cuBLASLt: {}", cublasLtGetStatusString(result));
  if (result == CUBLAS_STATUS_INVALID_VALUE || result == CUBLAS_STATUS_NOT_SUPPORTED)
    throw std::logic_error(fmt::format("{}: {}", card, said));
  // The card's own error says more than "the program failed to execute".
  check(cudaGetLastError(), card);
  throw Error(card, said, kGoOn);
}

}  // namespace mt::cuda
