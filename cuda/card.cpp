#include "card.h"

#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "checks.h"
#include "encoder/cuda/library.h"
#include "launch.h"
#include "products.h"

namespace mt::cuda {

namespace {

using Stream = Handle<cudaStream_t, cudaStreamDestroy>;
using Cublas = Handle<cublasLtHandle_t, cublasLtDestroy>;
using RawGraph = Handle<cudaGraph_t, cudaGraphDestroy>;
using RunnableGraph = Handle<cudaGraphExec_t, cudaGraphExecDestroy>;
using Memory = Handle<void*, cudaFree>;

class NvidiaGraph final : public Graph {
 public:
  explicit NvidiaGraph(RunnableGraph graph) : graph_(std::move(graph)) {}
  cudaGraphExec_t get() const { return graph_.get(); }

 private:
  RunnableGraph graph_;
};

class NvidiaCard final : public Card {
 public:
  NvidiaCard(std::size_t index, CardProperties properties);

  const CardProperties& properties() const override { return properties_; }
  std::size_t free_memory() const override;
  bool has(Precision precision) const override { return cuda::has(properties_, precision); }
  void* allocate(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  void* allocate_pinned(std::size_t bytes) override;
  void release_pinned(void* memory) noexcept override;
  void upload(void* card, const void* host, std::size_t bytes) override;
  std::unique_ptr<Queue> make_queue() override;

  int index() const { return index_; }
  const std::string& label() const { return label_; }
  Products& products() { return products_; }

  // CUDA's functions act on the current card of the calling thread. Costs next to nothing when it is this one.
  void use() const { check(cudaSetDevice(index_), label_); }

 private:
  void try_a_kernel();

  int index_;
  CardProperties properties_;
  std::string label_;
  Products products_;
};

class NvidiaQueue final : public Queue {
 public:
  explicit NvidiaQueue(NvidiaCard& card);
  ~NvidiaQueue() override { cudaSetDevice(card_.index()); }  // for the members, which are given back after this

  void copy_up(void* card, const void* host, std::size_t bytes) override {
    copy(card, host, bytes, cudaMemcpyHostToDevice);
  }
  void copy_down(void* host, const void* card, std::size_t bytes) override {
    copy(host, card, bytes, cudaMemcpyDeviceToHost);
  }
  void product(const Product& product) override {
    card_.use();
    card_.products().run(product, cublas_.get(), workspace_.get(), stream_.get());
  }
  void norm(const NormCall& call) override { launch(launch_norm, call); }
  void activate(const ActivationCall& call) override { launch(launch_activation, call); }
  void attend(const AttentionCall& call) override { launch(launch_attention, call); }
  void pool(const PoolCall& call) override { launch(launch_pool, call); }
  void check_finite(const FiniteCall& call) override { launch(launch_finite, call); }

  void begin_recording() override;
  std::unique_ptr<Graph> end_recording() override;
  void abandon_recording() noexcept override;
  void run(const Graph& graph) override;
  void wait() override;

 private:
  void check(cudaError_t result) const { cuda::check(result, card_.label()); }

  template <class Call>
  void launch(cudaError_t (*function)(const Call&, cudaStream_t), const Call& call) {
    card_.use();
    check(function(call, stream_.get()));
  }

  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    card_.use();
    check(cudaMemcpyAsync(to, from, bytes, kind, stream_.get()));
  }

  NvidiaCard& card_;
  Stream stream_;
  Cublas cublas_;
  Memory workspace_;
};

NvidiaCard::NvidiaCard(std::size_t index, CardProperties properties)
    : index_(static_cast<int>(index)),
      properties_(std::move(properties)),
      label_(card_label(index, properties_)),
      products_(label_) {
  if (!has(Precision::f32))
    throw Error(label_,
                fmt::format("is too old: compute capability {}.{}, and {}.{} is the least", properties_.major,
                            properties_.minor, kOldestCapability / 10, kOldestCapability % 10),
                "use another card (mt-inspect --devices lists them), or --device cpu");
  const cudaError_t opened = cudaSetDevice(index_);
  if (opened == cudaErrorDevicesUnavailable) {
    cudaGetLastError();
    throw Error(label_, "is taken by another process, or forbids use", "wait for it, or use another card");
  }
  check_memory(opened, label_);
  // A thread that waits for the card leaves its core to the programs before and behind it in the pipe. A courtesy,
  // which some drivers refuse once the card is in use.
  if (cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync) != cudaSuccess) cudaGetLastError();
  try_a_kernel();
}

// Code is loaded when it is first needed, so the first kernel tells whether there is any for this card.
void NvidiaCard::try_a_kernel() {
  const Memory memory(allocate(sizeof(RowSpan) + sizeof(std::int32_t)));
  check_memory(cudaMemset(memory.get(), 0, sizeof(RowSpan)), label_);
  FiniteCall call;
  call.spans = static_cast<const RowSpan*>(memory.get());
  call.span_count = 1;
  call.width = 8;
  call.flags = reinterpret_cast<std::int32_t*>(static_cast<RowSpan*>(memory.get()) + 1);
  const cudaError_t launched = launch_finite(call, cudaStreamLegacy);
  if (launched == cudaErrorNoKernelImageForDevice || launched == cudaErrorUnsupportedPtxVersion ||
      launched == cudaErrorInvalidDeviceFunction) {
    cudaGetLastError();
    throw Error(label_, fmt::format("this build has no code for sm_{}{}", properties_.major, properties_.minor),
                fmt::format("build with -DMT_CUDA_ARCHITECTURES={}{}", properties_.major, properties_.minor));
  }
  check_memory(launched, label_);
  check_memory(cudaStreamSynchronize(cudaStreamLegacy), label_);
}

std::size_t NvidiaCard::free_memory() const {
  use();
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), label_);
  return free;
}

void* NvidiaCard::allocate(std::size_t bytes) {
  use();
  void* memory = nullptr;
  check_memory(cudaMalloc(&memory, bytes), label_);
  return memory;
}

void NvidiaCard::release(void* memory) noexcept {
  // Of a card that is lost the memory is gone anyhow.
  if (cudaSetDevice(index_) != cudaSuccess || cudaFree(memory) != cudaSuccess) cudaGetLastError();
}

void* NvidiaCard::allocate_pinned(std::size_t bytes) {
  use();
  void* memory = nullptr;
  // Portable: a buffer that was filled for one card may be sent to another.
  check_memory(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), label_);
  return memory;
}

void NvidiaCard::release_pinned(void* memory) noexcept {
  if (cudaSetDevice(index_) != cudaSuccess || cudaFreeHost(memory) != cudaSuccess) cudaGetLastError();
}

void NvidiaCard::upload(void* card, const void* host, std::size_t bytes) {
  use();
  // Copies from pageable memory return before the last part has arrived, and queues do not wait for other streams.
  check(cudaMemcpyAsync(card, host, bytes, cudaMemcpyHostToDevice, cudaStreamPerThread), label_);
  check(cudaStreamSynchronize(cudaStreamPerThread), label_);
}

std::unique_ptr<Queue> NvidiaCard::make_queue() { return std::make_unique<NvidiaQueue>(*this); }

NvidiaQueue::NvidiaQueue(NvidiaCard& card) : card_(card) {
  card_.use();
  cudaStream_t stream = nullptr;
  check_memory(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), card_.label());
  stream_.reset(stream);
  cublasLtHandle_t cublas = nullptr;
  const cublasStatus_t made = cublasLtCreate(&cublas);
  if (made == CUBLAS_STATUS_ALLOC_FAILED) throw OutOfMemory();
  cuda::check(made, card_.label());
  cublas_.reset(cublas);
  workspace_.reset(card_.allocate(Products::kWorkspaceBytes));
}

void NvidiaQueue::begin_recording() {
  card_.use();
  // Relaxed: the first use of a kernel loads its code, which the stricter modes may take for a fault.
  check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeRelaxed));
}

std::unique_ptr<Graph> NvidiaQueue::end_recording() {
  card_.use();
  cudaGraph_t recorded = nullptr;
  check(cudaStreamEndCapture(stream_.get(), &recorded));
  const RawGraph graph(recorded);
  cudaGraphExec_t runnable = nullptr;
  check(cudaGraphInstantiate(&runnable, graph.get(), 0));
  return std::make_unique<NvidiaGraph>(RunnableGraph(runnable));
}

void NvidiaQueue::abandon_recording() noexcept {
  cudaGraph_t recorded = nullptr;
  if (cudaSetDevice(card_.index()) != cudaSuccess || cudaStreamEndCapture(stream_.get(), &recorded) != cudaSuccess)
    cudaGetLastError();
  if (recorded != nullptr) cudaGraphDestroy(recorded);
}

void NvidiaQueue::run(const Graph& graph) {
  card_.use();
  check(cudaGraphLaunch(dynamic_cast<const NvidiaGraph&>(graph).get(), stream_.get()));
}

void NvidiaQueue::wait() {
  card_.use();
  check(cudaStreamSynchronize(stream_.get()));
}

}  // namespace

std::unique_ptr<Card> open_card(std::size_t index, const CardProperties& properties) {
  try {
    return std::make_unique<NvidiaCard>(index, properties);
  } catch (const OutOfMemory&) {
    throw Error(card_label(index, properties), "has no memory left",
                "end what else uses it, use another card, or --device cpu");
  }
}

}  // namespace mt::cuda
