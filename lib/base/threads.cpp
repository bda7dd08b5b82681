#include "base/threads.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/text.h"

namespace mt {

namespace {

// Cores granted by the cgroup's quota (version 2, then 1), or 0 when there is none.
std::size_t quota_cores() {
  std::string quota, period;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> quota >> period) {
    // "max 100000" means no limit
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  const auto q = parse_int(quota), p = parse_int(period);
  if (!q || !p || *q <= 0 || *p <= 0) return 0;
  return static_cast<std::size_t>(std::max<double>(1, std::ceil(static_cast<double>(*q) / static_cast<double>(*p))));
}

}  // namespace

std::size_t available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::size_t cores = std::thread::hardware_concurrency();
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = static_cast<std::size_t>(CPU_COUNT(&set));
  if (const std::size_t quota = quota_cores(); quota > 0) cores = std::min(cores, quota);
  return std::max<std::size_t>(1, cores);
}

std::size_t thread_count(std::size_t requested) {
  if (requested > 0) return requested;
  if (const char* omp = std::getenv("OMP_NUM_THREADS"); omp != nullptr) {
    // A list ("4,2") gives the counts of nested levels; the outermost is ours.
    const auto count = parse_int(trimmed(split(omp, ',')[0]));
    if (count && *count > 0) return static_cast<std::size_t>(std::min<std::int64_t>(*count, 4096));
  }
  return available_cores();
}

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable start, finished;
  const std::function<void(std::size_t, std::size_t)>* task = nullptr;
  std::size_t items = 0, next = 0, running = 0, generation = 0;
  std::exception_ptr failure;
  bool stop = false;
};

ThreadPool::ThreadPool(std::size_t threads) : size_(std::max<std::size_t>(1, threads)), state_(new State) {
  for (std::size_t worker = 1; worker < size_; ++worker) {
    threads_.emplace_back([this, worker] {
      std::size_t seen = 0;
      for (;;) {
        {
          std::unique_lock lock(state_->mutex);
          state_->start.wait(lock, [&] { return state_->stop || state_->generation != seen; });
          if (state_->stop) return;
          seen = state_->generation;
        }
        work(worker);
        const std::lock_guard lock(state_->mutex);
        if (--state_->running == 0) state_->finished.notify_one();
      }
    });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->start.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::work(std::size_t worker) {
  for (;;) {
    std::size_t item = 0;
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->next >= state_->items) return;
      item = state_->next++;
    }
    try {
      (*state_->task)(item, worker);
    } catch (...) {
      const std::lock_guard lock(state_->mutex);
      if (!state_->failure) state_->failure = std::current_exception();
      state_->next = state_->items;
    }
  }
}

void ThreadPool::parallel_for(std::size_t items, const std::function<void(std::size_t, std::size_t)>& task) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->task = &task;
    state_->items = items;
    state_->next = 0;
    state_->running = threads_.size();
    state_->failure = nullptr;
    ++state_->generation;
  }
  state_->start.notify_all();
  work(0);
  std::unique_lock lock(state_->mutex);
  state_->finished.wait(lock, [&] { return state_->running == 0; });
  if (state_->failure) std::rethrow_exception(std::exchange(state_->failure, nullptr));
}

}  // namespace mt
