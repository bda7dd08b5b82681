// A card that is the host: its memory is the heap, its queue runs the real kernels thread by thread when it is waited
// for, and every call can be made to fail. With it the executor's whole control flow runs where no card is.
#pragma once

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "encoder/cuda/library.h"
#include "support/card_steps.h"

namespace mt::test {

// What the tests set, and what the cards count; shared by all cards of a driver.
struct HostCards {
  std::size_t cards = 1;
  std::size_t memory = SIZE_MAX;  // bytes of each card
  std::int64_t fail_at = -1;      // the call, counted from 0, at which the card is lost; it stays lost
  bool old_card = false;          // compute capability 7.5, not 9.0
  std::atomic<std::int64_t> calls = 0;
  std::atomic<std::size_t> blocks = 0;  // of memory, that have not been given back
  std::atomic<std::size_t> recorded = 0, replayed = 0, refused = 0;

  void count_call() {
    const std::int64_t call = calls++;
    if (fail_at >= 0 && call >= fail_at) throw Error("cuda:0 (host)", "the card was lost", "run again with --resume");
  }
};

// y = x W^T + bias with sums in double precision: as exact as any order of them in float32.
inline void run_product(const cuda::Product& p) {
  if (p.rows % cuda::kRowTile != 0) throw std::logic_error("product: rows are not whole tiles");
  cuda::with_numbers(p.numbers, [&]<class T>(T) {
    const auto *x = static_cast<const T*>(p.x), *weight = static_cast<const T*>(p.weight);
    for (std::size_t i = 0; i < p.rows; ++i) {
      for (std::size_t j = 0; j < p.outputs; ++j) {
        double sum = 0;
        for (std::size_t k = 0; k < p.inputs; ++k) {
          sum += static_cast<double>(cuda::widen(x[i * p.inputs + k])) *
                 static_cast<double>(cuda::widen(weight[j * p.inputs + k]));
        }
        if (p.widen || p.numbers == Precision::f32) {
          if (p.bias != nullptr) sum += static_cast<double>(static_cast<const float*>(p.bias)[j]);
          static_cast<float*>(p.y)[i * p.outputs + j] = static_cast<float>(sum);
        } else {
          if (p.bias != nullptr) sum += static_cast<double>(cuda::widen(static_cast<const T*>(p.bias)[j]));
          static_cast<T*>(p.y)[i * p.outputs + j] = cuda::narrow<T>(static_cast<float>(sum));
        }
      }
    }
  });
}

using Steps = std::vector<std::function<void()>>;

class HostGraph final : public cuda::Graph {
 public:
  explicit HostGraph(Steps recorded) : steps(std::move(recorded)) {}
  const Steps steps;
};

class HostQueue final : public cuda::Queue {
 public:
  explicit HostQueue(HostCards& cards) : cards_(cards) {}
  ~HostQueue() override {
    // Buffers may be gone by now: what is left would touch them.
    if (!waiting_.empty()) std::terminate();
  }

  void copy_up(void* card, const void* host, std::size_t bytes) override { copy(card, host, bytes); }
  void copy_down(void* host, const void* card, std::size_t bytes) override { copy(host, card, bytes); }
  void product(const cuda::Product& p) override {
    add([p] { run_product(p); });
  }
  void norm(const cuda::NormCall& call) override {
    add([call] { run_norm(call); });
  }
  void activate(const cuda::ActivationCall& call) override {
    add([call] { run_activation(call); });
  }
  void attend(const cuda::AttentionCall& call) override {
    add([call] { run_attention(call); });
  }
  void pool(const cuda::PoolCall& call) override {
    add([call] { run_pool(call); });
  }
  void check_finite(const cuda::FiniteCall& call) override {
    add([call] { run_finite(call); });
  }

  void begin_recording() override {
    cards_.count_call();
    if (recording_) throw std::logic_error("queue: records already");
    recording_ = true;
  }
  std::unique_ptr<cuda::Graph> end_recording() override {
    cards_.count_call();
    if (!recording_) throw std::logic_error("queue: records nothing");
    recording_ = false;
    ++cards_.recorded;
    return std::make_unique<HostGraph>(std::exchange(record_, {}));
  }
  void abandon_recording() noexcept override {
    recording_ = false;
    record_.clear();
  }
  void run(const cuda::Graph& graph) override {
    cards_.count_call();
    const Steps& steps = static_cast<const HostGraph&>(graph).steps;
    waiting_.insert(waiting_.end(), steps.begin(), steps.end());
    ++cards_.replayed;
  }
  // A lost card does nothing of what was asked.
  void wait() override {
    const Steps steps = std::exchange(waiting_, {});
    cards_.count_call();
    for (const auto& step : steps) step();
  }

 private:
  void add(std::function<void()> step) {
    cards_.count_call();
    (recording_ ? record_ : waiting_).push_back(std::move(step));
  }
  void copy(void* to, const void* from, std::size_t bytes) {
    if (recording_) throw std::logic_error("queue: copies cannot be recorded");
    add([=] { std::memcpy(to, from, bytes); });
  }

  HostCards& cards_;
  Steps waiting_, record_;
  bool recording_ = false;
};

class HostCard final : public cuda::Card {
 public:
  explicit HostCard(HostCards& cards) : cards_(cards) {}
  const cuda::CardProperties& properties() const override { return properties_; }
  std::size_t free_memory() const override { return cards_.memory - used_; }
  bool has(Precision precision) const override {
    return cuda::has({"host", cards_.old_card ? 7 : 9, cards_.old_card ? 5 : 0, 0}, precision);
  }
  void* allocate(std::size_t bytes) override {
    cards_.count_call();
    if (bytes > cards_.memory - used_) {
      ++cards_.refused;
      throw cuda::OutOfMemory();
    }
    void* memory = aligned_memory(bytes);
    const std::lock_guard lock(mutex_);
    sizes_[memory] = bytes;
    used_ += bytes;
    return memory;
  }
  void release(void* memory) noexcept override {
    const std::lock_guard lock(mutex_);
    used_ -= sizes_.at(memory);
    sizes_.erase(memory);
    release_pinned(memory);
  }
  void* allocate_pinned(std::size_t bytes) override {
    cards_.count_call();
    return aligned_memory(bytes);
  }
  void release_pinned(void* memory) noexcept override {
    std::free(memory);
    --cards_.blocks;
  }
  void upload(void* card, const void* host, std::size_t bytes) override {
    cards_.count_call();
    std::memcpy(card, host, bytes);
  }
  std::unique_ptr<cuda::Queue> make_queue() override {
    cards_.count_call();
    return std::make_unique<HostQueue>(cards_);
  }

 private:
  void* aligned_memory(std::size_t bytes) {
    const std::size_t whole = (bytes + 255) / 256 * 256;
    void* memory = std::aligned_alloc(256, whole);
    std::memset(memory, 0x7F, whole);  // numbers that show when something reads what nobody wrote
    ++cards_.blocks;
    return memory;
  }

  HostCards& cards_;
  cuda::CardProperties properties_{"host", 9, 0, cards_.memory};
  std::atomic<std::size_t> used_ = 0;
  std::mutex mutex_;
  std::map<void*, std::size_t> sizes_;
};

inline std::vector<std::unique_ptr<cuda::Card>> host_cards(HostCards& cards) {
  std::vector<std::unique_ptr<cuda::Card>> all;
  for (std::size_t i = 0; i < cards.cards; ++i) all.push_back(std::make_unique<HostCard>(cards));
  return all;
}

}  // namespace mt::test
