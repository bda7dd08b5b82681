// Streams, and what is recorded from them.
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "fake.h"

struct CUstream_st {
  struct Recording {
    cudaStreamCaptureMode mode;
    std::thread::id thread;
    bool spoiled = false;
    std::vector<mt::fake::Step> steps;
  };
  int card = 0;
  bool meets_legacy = false;  // and is no legacy stream itself
  std::mutex running;         // held while its steps are done
  std::vector<mt::fake::Step> waiting;
  std::optional<Recording> recording;
};
struct CUgraph_st {
  std::vector<mt::fake::Step> steps;
};
struct CUgraphExec_st {
  std::vector<mt::fake::Step> steps;
};

namespace mt::fake {

namespace {

using Stream = std::shared_ptr<CUstream_st>;

struct Streams {
  std::mutex mutex;  // of the lists of steps too
  std::map<cudaStream_t, Stream> made;
  std::map<int, Stream> legacy;  // of each card
  std::map<std::pair<std::thread::id, int>, Stream> of_threads;
};
Streams& streams() {
  static Streams& streams = *new Streams;
  return streams;
}

Stream& kept(Stream& stream, int card, bool meets_legacy) {
  if (!stream) {
    stream = std::make_shared<CUstream_st>();
    stream->card = card;
    stream->meets_legacy = meets_legacy;
  }
  return stream;
}

// Those without a handle of their own belong to the current card.
Stream stream_of(cudaStream_t handle) {
  const std::lock_guard lock(streams().mutex);
  const int card = current_card();
  if (handle == nullptr || handle == cudaStreamLegacy) return kept(streams().legacy[card], card, false);
  if (handle == cudaStreamPerThread) return kept(streams().of_threads[{std::this_thread::get_id(), card}], card, true);
  const auto found = streams().made.find(handle);
  if (found == streams().made.end()) violation("there is no such stream");
  return found->second;
}

void finish(CUstream_st& stream) {
  const std::lock_guard running(stream.running);
  std::vector<Step> steps;
  {
    const std::lock_guard lock(streams().mutex);
    steps.swap(stream.waiting);
  }
  if (steps.empty()) return;
  const WorkingCard working(stream.card);
  for (const Step& step : steps) {
    for (const Range& range : step.ranges) require_memory(range, step.what);
    try {
      step.run();
    } catch (const std::exception& error) {
      violation(fmt::format("{}: {}", step.what, error.what()));
    }
  }
}

template <class Chosen>
void finish_those(Chosen chosen) {
  std::vector<Stream> all;
  {
    const std::lock_guard lock(streams().mutex);
    for (const auto& [handle, stream] : streams().made) all.push_back(stream);
    for (const auto& [thread, stream] : streams().of_threads) all.push_back(stream);
    for (const auto& [card, stream] : streams().legacy) all.push_back(stream);
  }
  for (const Stream& stream : all) {
    if (chosen(*stream)) finish(*stream);
  }
}

bool is_legacy(cudaStream_t handle) { return handle == nullptr || handle == cudaStreamLegacy; }

// The legacy stream and those that were not made without blocking wait for each other.
void meet(const CUstream_st& stream, cudaStream_t handle) {
  if (stream.meets_legacy)
    finish_those([&](const auto& s) { return s.card == stream.card && &s != &stream && !s.meets_legacy; });
  if (is_legacy(handle)) finish_those([&](const auto& s) { return s.card == stream.card && s.meets_legacy; });
}

cudaError_t spoiled(CUstream_st& stream) {
  stream.recording->spoiled = true;
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace

int card_of(cudaStream_t handle) { return stream_of(handle)->card; }
bool is_recording(cudaStream_t handle) { return stream_of(handle)->recording.has_value(); }
cudaError_t spoil_recording(cudaStream_t handle) { return spoiled(*stream_of(handle)); }

cudaError_t queue(cudaStream_t handle, Step step) {
  for (const Range& range : step.ranges) require_memory(range, step.what);
  const Stream stream = stream_of(handle);
  meet(*stream, handle);
  const std::lock_guard lock(streams().mutex);
  (stream->recording ? stream->recording->steps : stream->waiting).push_back(std::move(step));
  return cudaSuccess;
}

cudaError_t unsafe_in_recordings() {
  const std::lock_guard lock(streams().mutex);
  for (const auto& [handle, stream] : streams().made) {
    const auto& recording = stream->recording;
    if (!recording || recording->mode == cudaStreamCaptureModeRelaxed) continue;
    if (recording->mode == cudaStreamCaptureModeGlobal || recording->thread == std::this_thread::get_id())
      return spoiled(*stream);
  }
  return cudaSuccess;
}

void finish(cudaStream_t handle) { finish(*stream_of(handle)); }
void finish_all() {
  finish_those([](const auto&) { return true; });
}

// A launch says what any call before it has left unread.
cudaError_t start(cudaStream_t handle, Step kernel) {
  call([&] {
    if (settings().no_code) return cudaErrorNoKernelImageForDevice;
    if (card_of(handle) != current_card()) return cudaErrorInvalidResourceHandle;
    return queue(handle, std::move(kernel));
  });
  return cudaGetLastError();
}

}  // namespace mt::fake

using namespace mt::fake;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned flags) {
  return call([&] {
    const auto stream = std::make_shared<CUstream_st>();
    stream->card = current_card();
    stream->meets_legacy = (flags & cudaStreamNonBlocking) == 0;
    const std::lock_guard lock(streams().mutex);
    streams().made[*handle = stream.get()] = stream;
    made(*handle, "stream");
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return call([&] {
    const Stream stream = stream_of(handle);
    ended(handle, "stream");
    if (stream->recording) violation("cudaStreamDestroy of a stream that records");
    finish(*stream);
    const std::lock_guard lock(streams().mutex);
    streams().made.erase(handle);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call([&] {
    const Stream stream = stream_of(handle);
    if (stream->recording) return spoiled(*stream);
    meet(*stream, handle);
    finish(*stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call([&] {
    if (is_legacy(handle)) return cudaErrorStreamCaptureUnsupported;
    const Stream stream = stream_of(handle);
    if (stream->recording) return cudaErrorIllegalState;
    stream->recording.emplace(CUstream_st::Recording{mode, std::this_thread::get_id(), false, {}});
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call([&] {
    *graph = nullptr;
    const Stream stream = stream_of(handle);
    if (!stream->recording) return cudaErrorIllegalState;
    if (stream->recording->mode != cudaStreamCaptureModeRelaxed &&
        stream->recording->thread != std::this_thread::get_id())
      return cudaErrorStreamCaptureWrongThread;
    const CUstream_st::Recording recording = std::move(*stream->recording);
    stream->recording.reset();
    if (recording.spoiled) return cudaErrorStreamCaptureInvalidated;
    made(*graph = new CUgraph_st{recording.steps}, "graph");
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long) {
  return call([&] {
    require_made(graph, "graph");
    made(*runnable = new CUgraphExec_st{graph->steps}, "runnable graph");
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call([&] {
    ended(graph, "graph");
    delete graph;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable) {
  return call([&] {
    ended(runnable, "runnable graph");
    delete runnable;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t stream) {
  return call([&] {
    require_made(runnable, "runnable graph");
    for (const Step& step : runnable->steps) queue(stream, step);
    return cudaSuccess;
  });
}
