// A host that passes for NVIDIA's cards. These files implement what cuda/*.cpp calls of CUDA and cuBLASLt, by their
// documentation, and are linked with those sources into a libmt-cuda.so for the tests. They are strict:
// - a card's memory is out of the host's reach except while the card works, and ends at a page that nobody may touch;
// - what is queued happens as late as it may: when its stream is waited for, or something is freed;
// - what CUDA forbids or leaves undefined ends the process with a message; what it answers with an error gets that.
// Environment variables say which cards there are and what goes wrong (Settings).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cublasLt.h>
#include <cuda_runtime_api.h>

namespace mt::fake {

struct Settings {
  std::vector<std::pair<int, int>> capabilities;  // FAKE_CUDA_CAPABILITY=9.0,7.5; one of each card
  std::vector<std::string> names;                 // FAKE_CUDA_NAMES=A,B; FAKE_CUDA_CARDS says how many there are
  std::size_t memory = 0;                         // FAKE_CUDA_MEMORY, bytes of each card
  std::string driver;                             // FAKE_CUDA_DRIVER: none, old, no_device; else there is one
  // FAKE_CUDA_FAIL_AT: which call fails, counted from 0, with the code FAKE_CUDA_FAIL_WITH: a cudaError_t, or
  // "cublas:13", a cublasStatus_t, for which the calls of cuBLASLt alone are counted.
  long fail_at = -1;
  int fail_with = 0;
  bool fail_cublas = false;
  bool fail_checks = false;  // FAKE_CUDA_FAIL_CHECKS=1: cublasLtMatmulAlgoCheck fails, always
  bool no_code = false;      // FAKE_CUDA_NO_CODE=1: no kernel was compiled for these cards
  bool busy = false;         // FAKE_CUDA_BUSY=1: another process has them
  int busy_card = -1;        // FAKE_CUDA_BUSY_CARD: or this one of them
  bool check_leaks = false;  // FAKE_CUDA_LEAKS=check: what has not been given back at the end is a violation
  std::string count_file;    // FAKE_CUDA_COUNT: gets the number of calls, and of those of cuBLASLt
};
const Settings& settings();
// Cards that CUDA_VISIBLE_DEVICES leaves, as indexes of the settings.
const std::vector<std::size_t>& visible_cards();

// Says what was done wrong and aborts.
[[noreturn]] void violation(const std::string& what);

// What the calling thread has last set, and the error that its current card will always have from now on.
int current_card();
void set_current_card(int card);
cudaError_t loss_of(int card);

// Counts a call; the error with which it is to fail. A loss stays with the card.
cudaError_t enter(int card);
cublasStatus_t enter_cublas();
cudaError_t remember(cudaError_t result);  // for cudaGetLastError

// A call of CUDA's that concerns a card.
template <class Act>
cudaError_t call_on(int card, Act&& act) {
  const cudaError_t failed = enter(card);
  return remember(failed != cudaSuccess ? failed : act());
}
template <class Act>
cudaError_t call(Act&& act) {
  return call_on(current_card(), std::forward<Act>(act));
}

// Handles between their making and their end; each kind apart.
void made(const void* handle, const char* kind);
void ended(const void* handle, const char* kind);         // violation unless it was made, and not yet ended
void require_made(const void* handle, const char* kind);  // likewise
void report_leaks(const std::function<void(const std::string&)>& report);

// Memory. kPinned: the host's, from cudaHostAlloc.
inline constexpr int kPinned = -1;
struct Range {
  const void* begin = nullptr;
  std::size_t bytes = 0;
  int card = kPinned;
};
void require_memory(const Range& range, const std::string& what);  // violation unless all of it is that
bool is_pinned(const void* address);
bool is_of_a_card(const void* address);

// While it lives, the card's memory can be read and written.
class WorkingCard {
 public:
  explicit WorkingCard(int card);
  ~WorkingCard();
  WorkingCard(const WorkingCard&) = delete;
  WorkingCard& operator=(const WorkingCard&) = delete;

 private:
  int card_;
};

// What a stream does when its time has come. The ranges exist then, as they do when it is queued.
struct Step {
  std::string what;
  std::vector<Range> ranges;
  std::function<void()> run;
};
int card_of(cudaStream_t stream);
cudaError_t queue(cudaStream_t stream, Step step);  // or records it
bool is_recording(cudaStream_t stream);
cudaError_t spoil_recording(cudaStream_t stream);  // after a call that must not be recorded
cudaError_t unsafe_in_recordings();                // what a call that may wait for a card answers when it must not
void finish(cudaStream_t stream);                  // does what is queued there
void finish_all();                                 // as cudaFree does

// A kernel's start, without the <<<>>>.
cudaError_t start(cudaStream_t stream, Step kernel);

}  // namespace mt::fake
