// Threads that wait without spinning, so that several programs of one pipe share a machine.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace mt {

// Cores this process may use: the affinity mask and the cgroup's CPU quota, not the machine's core count.
std::size_t available_cores();

// requested, or OMP_NUM_THREADS, or available_cores(); at least 1. 0 means "not requested".
std::size_t thread_count(std::size_t requested);

// A fixed set of workers. Worker 0 is the calling thread, so a pool of one starts no thread at all.
class ThreadPool {
 public:
  explicit ThreadPool(std::size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t size() const { return size_; }

  // Calls task(item, worker) once for each item in [0, items), worker in [0, size()). Items are handed out in order,
  // one at a time. Returns when all are done; the first exception stops handing out items and is rethrown here.
  // Results must not depend on which worker ran which item. Not reentrant.
  void parallel_for(std::size_t items, const std::function<void(std::size_t item, std::size_t worker)>& task);

 private:
  struct State;
  void work(std::size_t worker);

  std::size_t size_;
  std::unique_ptr<State> state_;
  std::vector<std::thread> threads_;
};

// First in, first out, with a capacity: push waits while full, pop while empty.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  // False when the queue was closed: the item was not taken.
  bool push(T item) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [&] { return closed_ || items_.size() < capacity_; });
    if (closed_) return false;
    items_.push_back(std::move(item));
    not_empty_.notify_one();
    return true;
  }

  // nullopt when the queue is closed and drained. Rethrows what fail() was given.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return closed_ || !items_.empty(); });
    if (failure_) std::rethrow_exception(failure_);
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front());
    items_.pop_front();
    not_full_.notify_one();
    return item;
  }

  // No more items: consumers drain what is there.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    not_full_.notify_all();
    not_empty_.notify_all();
  }

  // The producer failed: consumers see the exception at their next pop.
  void fail(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    closed_ = true;
    not_full_.notify_all();
    not_empty_.notify_all();
  }

 private:
  std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable not_full_, not_empty_;
  std::deque<T> items_;
  std::exception_ptr failure_;
  bool closed_ = false;
};

}  // namespace mt
