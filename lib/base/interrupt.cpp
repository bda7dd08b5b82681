#include "base/interrupt.h"

#include <atomic>

namespace mt {

namespace {
std::atomic<int> pending{0};
static_assert(std::atomic<int>::is_always_lock_free, "the handler runs in a signal context");
}  // namespace

void request_interrupt(int signal) noexcept { pending.store(signal, std::memory_order_relaxed); }
int requested_interrupt() noexcept { return pending.load(std::memory_order_relaxed); }

void throw_if_interrupted() {
  if (const int signal = requested_interrupt(); signal != 0) throw Interrupted(signal);
}

}  // namespace mt
