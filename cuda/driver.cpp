// NVIDIA's driver as libmt opens it.
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "base/version.h"
#include "card.h"
#include "checks.h"
#include "encoder/cuda/library.h"

namespace mt::cuda {

namespace {

constexpr const char* kOption = "--device cuda";

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

[[noreturn]] void no_cards() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible != nullptr)
    throw Error(kOption, fmt::format("no card is visible: CUDA_VISIBLE_DEVICES is \"{}\"", visible),
                "unset it, or use --device cpu");
  throw Error(kOption, "no card is visible", "use --device cpu");
}

[[noreturn]] void no_driver() {
  int installed = 0;
  cudaDriverGetVersion(&installed);  // of libcuda; 0 without one
  const std::string needed = version_text(CUDART_VERSION);
  if (installed == 0)
    throw Error(kOption, "NVIDIA's driver was not found",
                fmt::format("install one for CUDA {}, in a container pass the cards on, or use --device cpu", needed));
  throw Error(kOption,
              fmt::format("NVIDIA's driver is for CUDA {}, too old for CUDA {}", version_text(installed), needed),
              "install a newer driver, or use --device cpu");
}

class NvidiaDriver final : public Driver {
 public:
  std::string versions() const override {
    const std::size_t cublas = cublasLtGetVersion();
    return fmt::format("CUDA {}, cuBLASLt {}.{}.{}", version_text(CUDART_VERSION), cublas / 10000, cublas / 100 % 100,
                       cublas % 100);
  }

  std::size_t count() const override {
    int count = 0;
    const cudaError_t result = cudaGetDeviceCount(&count);
    if (result != cudaSuccess) cudaGetLastError();
    if (result == cudaErrorInsufficientDriver || result == cudaErrorStubLibrary) no_driver();
    if (result == cudaErrorNoDevice || (result == cudaSuccess && count == 0)) no_cards();
    if (result != cudaSuccess) throw Error(kOption, cudaGetErrorString(result), "use --device cpu");
    return static_cast<std::size_t>(count);
  }

  CardProperties properties(std::size_t index) const override {
    const std::size_t count = this->count();
    if (index >= count)
      throw Error(fmt::format("--device cuda:{}", index),
                  count == 1 ? "there is one card, cuda:0"
                             : fmt::format("there are {} cards, cuda:0 to cuda:{}", count, count - 1),
                  "mt-inspect --devices lists them");
    cudaDeviceProp found{};
    check(cudaGetDeviceProperties(&found, static_cast<int>(index)), fmt::format("cuda:{}", index));
    CardProperties properties;
    properties.name = found.name;
    properties.major = found.major;
    properties.minor = found.minor;
    properties.total_memory = found.totalGlobalMem;
    return properties;
  }

  std::unique_ptr<Card> open(std::size_t index) override { return open_card(index, properties(index)); }
};

}  // namespace

extern "C" LibraryContents mt_cuda_library() {
  static NvidiaDriver driver;
  return {kVersion, &driver};
}

}  // namespace mt::cuda
