#include "fake.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "base/text.h"

namespace mt::fake {

namespace {

std::string variable(const char* name, const char* otherwise = "") {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// One value a card: the last of the list serves all that follow.
std::vector<std::string> of_each_card(const std::string& list, std::size_t cards) {
  std::vector<std::string> values;
  for (const std::string_view word : split(list, ',')) values.emplace_back(word);
  values.resize(cards, values.back());
  return values;
}

Settings read_settings() {
  Settings s;
  const auto cards = static_cast<std::size_t>(std::stoul(variable("FAKE_CUDA_CARDS", "1")));
  s.names = of_each_card(variable("FAKE_CUDA_NAMES", "Fake H200"), cards);
  for (const std::string& text : of_each_card(variable("FAKE_CUDA_CAPABILITY", "9.0"), cards)) {
    const std::size_t point = text.find('.');
    s.capabilities.emplace_back(std::stoi(text.substr(0, point)), std::stoi(text.substr(point + 1)));
  }
  s.memory = std::stoull(variable("FAKE_CUDA_MEMORY", "1073741824"));
  s.driver = variable("FAKE_CUDA_DRIVER");
  s.fail_at = std::stol(variable("FAKE_CUDA_FAIL_AT", "-1"));
  const std::string with = variable("FAKE_CUDA_FAIL_WITH", "999");
  s.fail_cublas = with.starts_with("cublas:");
  s.fail_with = std::stoi(s.fail_cublas ? with.substr(7) : with);
  s.fail_checks = variable("FAKE_CUDA_FAIL_CHECKS") == "1";
  s.no_code = variable("FAKE_CUDA_NO_CODE") == "1";
  s.busy = variable("FAKE_CUDA_BUSY") == "1";
  s.busy_card = std::stoi(variable("FAKE_CUDA_BUSY_CARD", "-1"));
  s.check_leaks = variable("FAKE_CUDA_LEAKS") == "check";
  s.count_file = variable("FAKE_CUDA_COUNT");
  return s;
}

std::vector<std::size_t> read_visible_cards() {
  const std::size_t cards = settings().names.size();
  std::vector<std::size_t> visible;
  const char* list = std::getenv("CUDA_VISIBLE_DEVICES");
  if (list == nullptr) {
    for (std::size_t i = 0; i < cards; ++i) visible.push_back(i);
    return visible;
  }
  for (const std::string_view word : split(std::string_view(list), ',')) {
    const auto index = parse_int(word);
    if (!index || *index < 0 || static_cast<std::size_t>(*index) >= cards) break;  // nothing behind it counts
    visible.push_back(static_cast<std::size_t>(*index));
  }
  return visible;
}

struct Handles {
  std::mutex mutex;
  std::map<const void*, std::string> kinds;
};
Handles& handles() {
  static Handles& handles = *new Handles;  // until the very end of the process
  return handles;
}

std::atomic<long> calls = 0, cublas_calls = 0;
constexpr std::size_t kMostCards = 16;
std::array<std::atomic<cudaError_t>, kMostCards> losses{};
thread_local int current = 0;
thread_local cudaError_t last_error = cudaSuccess;

// The errors after which CUDA's documentation says that the process must be ended to use the card again.
bool is_loss(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorECCUncorrectable:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

cudaError_t injected(int card) {
  const auto error = static_cast<cudaError_t>(settings().fail_with);
  if (is_loss(error)) losses[static_cast<std::size_t>(card)] = error;
  return error;
}

__attribute__((destructor)) void at_the_end() {
  if (const std::string& name = settings().count_file; !name.empty()) {
    if (std::FILE* file = std::fopen(name.c_str(), "w"); file != nullptr) {
      std::fprintf(file, "%ld %ld\n", calls.load(), cublas_calls.load());
      std::fclose(file);
    }
  }
  if (!settings().check_leaks) return;
  bool leaks = false;
  const auto report = [&](const std::string& what) {
    leaks = true;
    std::fprintf(stderr, "fake CUDA: %s was not given back\n", what.c_str());
  };
  report_leaks(report);
  for (const auto& [handle, kind] : handles().kinds) report(kind);
  if (leaks) std::abort();
}

}  // namespace

const Settings& settings() {
  static const Settings& settings = *new Settings(read_settings());
  return settings;
}

const std::vector<std::size_t>& visible_cards() {
  static const auto& visible = *new std::vector<std::size_t>(read_visible_cards());
  return visible;
}

void violation(const std::string& what) {
  std::fprintf(stderr, "fake CUDA: %s\n", what.c_str());
  std::abort();
}

int current_card() { return current; }
void set_current_card(int card) { current = card; }
cudaError_t loss_of(int card) { return losses.at(static_cast<std::size_t>(card)); }

cudaError_t enter(int card) {
  const long call = calls++;
  if (!settings().fail_cublas && call == settings().fail_at) return injected(card);
  return loss_of(card);
}

cublasStatus_t enter_cublas() {
  const long call = calls++, cublas_call = cublas_calls++;
  const Settings& s = settings();
  if (s.fail_cublas) return static_cast<cublasStatus_t>(cublas_call == s.fail_at ? s.fail_with : 0);
  if (call != s.fail_at) return CUBLAS_STATUS_SUCCESS;
  return remember(injected(current)) == cudaErrorMemoryAllocation ? CUBLAS_STATUS_ALLOC_FAILED
                                                                  : CUBLAS_STATUS_EXECUTION_FAILED;
}

cudaError_t remember(cudaError_t result) {
  if (result != cudaSuccess) last_error = result;
  return result;
}

void made(const void* handle, const char* kind) {
  const std::lock_guard lock(handles().mutex);
  handles().kinds[handle] = kind;
}

void require_made(const void* handle, const char* kind) {
  const std::lock_guard lock(handles().mutex);
  const auto found = handles().kinds.find(handle);
  if (found == handles().kinds.end() || found->second != kind) violation(fmt::format("there is no such {}", kind));
}

void ended(const void* handle, const char* kind) {
  require_made(handle, kind);
  const std::lock_guard lock(handles().mutex);
  handles().kinds.erase(handle);
}

}  // namespace mt::fake

using namespace mt::fake;

cudaError_t cudaGetLastError() {
  if (const cudaError_t loss = loss_of(current); loss != cudaSuccess) return loss;
  return std::exchange(last_error, cudaSuccess);
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorDevicesUnavailable:
      return "CUDA-capable device(s) is/are busy or unavailable";
    case cudaErrorECCUncorrectable:
      return "uncorrectable ECC error encountered";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorUnknown:
      return "unknown error";
    default:
      return "another error";
  }
}
