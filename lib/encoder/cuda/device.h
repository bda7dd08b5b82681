// What the encoder asks of a card: memory, and a queue of steps. The implementation that drives one is a library of its
// own, opened when --device asks for it (encoder/cuda/library.h); the tests have one that computes on the host.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/calls.h"

namespace mt::cuda {

struct CardProperties {
  std::string name;          // "NVIDIA H200"
  int major = 0, minor = 0;  // compute capability
  std::size_t total_memory = 0;
};

// The card has no room for what was asked; nothing else has changed.
class OutOfMemory : public std::exception {
 public:
  const char* what() const noexcept override { return "out of memory"; }
};

// y = x W^T + bias. x: [rows, inputs] and weight: [outputs, inputs] in `numbers`; rows: a multiple of kRowTile. A row's
// bytes depend on that row alone.
struct Product {
  const void *x = nullptr, *weight = nullptr;
  const void* bias = nullptr;  // [outputs] in the type of y, or null
  void* y = nullptr;           // [rows, outputs]
  std::size_t rows = 0, inputs = 0, outputs = 0;
  Precision numbers = Precision::f32;  // f32, bf16 or f16; sums are float32, never TF32
  bool widen = false;                  // y is float32 whatever numbers is
};

// Steps recorded once, to be given to the card as one.
class Graph {
 public:
  virtual ~Graph() = default;
};

// Steps that one card does in their order while the host goes on. Arguments must stay valid until wait() returns, or,
// when recorded, as long as the graph. Every function throws Error when the card is lost or the driver fails. One
// thread at a time; several queues of one card may be used by several threads.
class Queue {
 public:
  virtual ~Queue() = default;
  // host: from Card::allocate_pinned.
  virtual void copy_up(void* card, const void* host, std::size_t bytes) = 0;
  virtual void copy_down(void* host, const void* card, std::size_t bytes) = 0;
  virtual void product(const Product& product) = 0;
  virtual void norm(const NormCall& call) = 0;
  virtual void activate(const ActivationCall& call) = 0;
  virtual void attend(const AttentionCall& call) = 0;
  virtual void pool(const PoolCall& call) = 0;
  virtual void check_finite(const FiniteCall& call) = 0;

  // Between these two, steps are recorded and not done. Copies cannot be recorded.
  virtual void begin_recording() = 0;
  virtual std::unique_ptr<Graph> end_recording() = 0;
  // Drops what was recorded after a step failed; never throws.
  virtual void abandon_recording() noexcept = 0;
  virtual void run(const Graph& graph) = 0;

  virtual void wait() = 0;  // until everything is done
};

class Card {
 public:
  virtual ~Card() = default;
  virtual const CardProperties& properties() const = 0;
  virtual std::size_t free_memory() const = 0;
  virtual bool has(Precision precision) const = 0;
  // Throw OutOfMemory. Addresses are multiples of 256.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  virtual void* allocate_pinned(std::size_t bytes) = 0;  // on the host, where copies are fast
  virtual void release_pinned(void* memory) noexcept = 0;
  virtual void upload(void* card, const void* host, std::size_t bytes) = 0;  // from any host memory, and waits
  virtual std::unique_ptr<Queue> make_queue() = 0;
};

// One kind of cards: those of a driver, or the tests' own.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::string versions() const = 0;  // "CUDA 13.0, cuBLASLt 13.0.2", as features record it
  // Throws Error: no driver, an old driver.
  virtual std::size_t count() const = 0;
  virtual CardProperties properties(std::size_t index) const = 0;  // Throws Error: as count(), or no such card
  // Throws Error: no such card, one that is too old, lost, taken or full.
  virtual std::unique_ptr<Card> open(std::size_t index) = 0;
};

}  // namespace mt::cuda
