// Which cards there are, and which one a thread uses.
#include "fake.h"

#include <cstring>

namespace {

using namespace mt::fake;

cudaError_t driver_error() {
  const std::string& driver = settings().driver;
  if (driver == "none" || driver == "old") return cudaErrorInsufficientDriver;
  return driver == "no_device" || visible_cards().empty() ? cudaErrorNoDevice : cudaSuccess;
}

bool is_card(int card) { return card >= 0 && static_cast<std::size_t>(card) < visible_cards().size(); }

}  // namespace

cudaError_t cudaDriverGetVersion(int* version) {
  const std::string& driver = settings().driver;
  *version = driver == "none" ? 0 : driver == "old" ? 11040 : CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  return call([&] {
    *count = 0;
    if (const cudaError_t error = driver_error(); error != cudaSuccess) return error;
    *count = static_cast<int>(visible_cards().size());
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int card) {
  return call([&] {
    if (const cudaError_t error = driver_error(); error != cudaSuccess) return error;
    if (!is_card(card)) return cudaErrorInvalidDevice;
    const std::size_t index = visible_cards()[static_cast<std::size_t>(card)];
    *properties = {};
    std::strncpy(properties->name, settings().names[index].c_str(), sizeof properties->name - 1);
    properties->major = settings().capabilities[index].first;
    properties->minor = settings().capabilities[index].second;
    properties->totalGlobalMem = settings().memory;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int card) {
  if (!is_card(card)) return remember(cudaErrorInvalidDevice);
  return call_on(card, [&] {
    if (const cudaError_t error = driver_error(); error != cudaSuccess) return error;
    if (settings().busy || settings().busy_card == card) return cudaErrorDevicesUnavailable;
    set_current_card(card);
    return cudaSuccess;
  });
}

cudaError_t cudaSetDeviceFlags(unsigned flags) {
  return call([&] { return (flags & ~unsigned{cudaDeviceMask}) != 0 ? cudaErrorInvalidValue : cudaSuccess; });
}
